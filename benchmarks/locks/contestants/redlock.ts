/**
 * Redis, one node of Debian's server without persistence, by `@sesamecare-oss/redlock` over `ioredis`: of the clients for Redlock
 * that npm has the one that is kept and used most; `redlock` itself has had no release since its beta of 2022.
 */

import { Redlock } from '@sesamecare-oss/redlock'
import { Redis } from 'ioredis'
import { freePort } from '../../../examples/free-port.ts'
import { type Contestants, versionOf } from '../../harness/contest/contestant.ts'
import { startRedis } from '../../harness/redis-server.ts'
import { type TakeSide, takenTtlMs } from '../take.ts'

export const contestants: Contestants<TakeSide> = {
  redlock: {
    version: versionOf('@sesamecare-oss/redlock'),
    listen: async () => String((await startRedis(await freePort())).port),
    async connect(address) {
      const redis = new Redis(Number(address), '127.0.0.1')
      await redis.ping()
      const redlock = new Redlock([redis])
      return {
        async take(resource) {
          const lock = await redlock.acquire([resource], takenTtlMs)
          return () => lock.release()
        }
      }
    }
  }
}
