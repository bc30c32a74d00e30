/**
 * The manifests and the compose file of deploy/ agree with themselves, with the server that they start, and with its image.
 *
 * `npm run long:manifests` validates them against the published schemas.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { MarkdownFile, root } from '../support/pages/markdown.ts'
import { instruction, stages } from './image.ts'

/** As far as it is looked at here. */
interface Env {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } }
}
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}
interface Container {
  readonly image: string
  readonly env: readonly Env[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  readonly readinessProbe: Probe
  readonly livenessProbe: Probe
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
  readonly securityContext: object
}
interface Pod {
  readonly terminationGracePeriodSeconds: number
  readonly securityContext: { readonly runAsNonRoot: boolean; readonly runAsUser: number; readonly runAsGroup: number }
  readonly containers: readonly Container[]
  readonly volumes: readonly {
    readonly name: string
    readonly csi?: { readonly driver: string; readonly volumeAttributes: Readonly<Record<string, string>> }
    readonly secret?: { readonly secretName: string }
  }[]
  readonly topologySpreadConstraints: readonly { readonly labelSelector: Selector }[]
}
interface Selector {
  readonly matchLabels: Labels
}
type Labels = Readonly<Record<string, string>>
interface Peers {
  readonly ports: readonly { readonly port: number | string }[]
  readonly from?: readonly { readonly podSelector?: Selector }[]
  readonly to?: readonly { readonly podSelector?: Selector }[]
}
interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly clusterIP?: string
    readonly publishNotReadyAddresses?: boolean
    readonly selector?: Labels & Selector
    readonly serviceName?: string
    readonly template?: { readonly metadata: { readonly labels: Labels }; readonly spec: Pod }
    readonly ports?: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[]
    readonly podSelector?: Selector
    readonly ingress?: readonly Peers[]
    readonly egress?: readonly Peers[]
    readonly secretName?: string
    readonly issuerRef?: { readonly name: string }
    readonly ca?: { readonly secretName: string }
  }
}

const folder = join(root, 'deploy/kubernetes')
const source = readFileSync(join(root, 'deploy/server.ts'), 'utf8')
const page = new MarkdownFile('docs/deploy.md')

/** What the server reads: `read('NAME')`, `readNumber('NAME', default)` and `env.NAME`. */
const known = new Map(
  [...source.matchAll(/(?:\bread(?:Number)?\('|\benv\.)([A-Z_]+)(?:', ([\d_]+))?/g)].map(([, name = '', value]) => [
    name,
    value?.replace('_', '')
  ])
)

function read(file: string): Resource[] {
  // Kubernetes reads YAML 1.1.
  const documents = parseAllDocuments(readFileSync(join(folder, file), 'utf8'), { version: '1.1', strict: true })
  return documents.map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], [])
    return document.toJS() as Resource
  })
}

/** One of its kind. */
function only(resources: readonly Resource[], kind: string): Resource {
  const [found, ...others] = resources.filter((resource) => resource.kind === kind)
  assert.ok(found !== undefined && others.length === 0, `one ${kind}`)
  return found
}

/** Its settings, each of which the server reads, whose `$(NAME)` stand before them. */
function settingsOf(env: readonly Env[]): Map<string, string> {
  const settings = new Map<string, string>()
  const before = new Set<string>()
  for (const { name, value, valueFrom } of env) {
    for (const [, used = ''] of (value ?? '').matchAll(/\$\(([A-Z_]+)\)/g)) assert.ok(before.has(used), `$(${used})`)
    before.add(name)
    if (valueFrom !== undefined) continue
    assert.ok(known.has(name), `the server does not read ${name}`)
    settings.set(name, value ?? '')
  }
  return settings
}

const setting = (settings: ReadonlyMap<string, string>, name: string) =>
  settings.get(name) ?? known.get(name) ?? assert.fail(`${name} is not set`)

describe('deploy/kubernetes/', () => {
  it('has the files that the page names, and no other', () => {
    const named = new Set([...page.text.matchAll(/deploy\/kubernetes\/([\w.-]+)/g)].map(([, name]) => name))
    assert.deepEqual(readdirSync(folder).sort(), [...named].sort())
  })

  for (const [file, kind] of [
    ['statefulset.yaml', 'StatefulSet'],
    ['deployment.yaml', 'Deployment']
  ] as const) {
    const resources = read(file)
    const service = only(resources, 'Service')
    const workload = only(resources, kind)
    const { template } = workload.spec
    assert.ok(template !== undefined)
    const pod = template.spec
    const [container] = pod.containers
    assert.ok(container !== undefined)
    const { labels } = template.metadata
    const settings = settingsOf(container.env)
    const portOf = (name: string) => container.ports.find((port) => port.name === name)?.containerPort

    describe(file, () => {
      it('selects the pods that it makes, wherever it selects some', () => {
        const budget = only(resources, 'PodDisruptionBudget').spec.selector?.matchLabels
        const policy = only(resources, 'NetworkPolicy').spec
        const peers = [...(policy.ingress ?? []), ...(policy.egress ?? [])].flatMap(({ from, to }) => from ?? to ?? [])
        const selectors = [
          service.spec.selector,
          workload.spec.selector?.matchLabels,
          budget,
          policy.podSelector?.matchLabels,
          ...peers.flatMap(({ podSelector }) => (podSelector === undefined ? [] : [podSelector.matchLabels])),
          ...pod.topologySpreadConstraints.map(({ labelSelector }) => labelSelector.matchLabels)
        ]
        assert.equal(selectors.length, 7)
        for (const selector of selectors) assert.deepEqual(selector, labels)
      })

      it('has the ports of the server, and lets peers reach that of the grid', () => {
        assert.equal(portOf('grid'), Number(setting(settings, 'GRID_PORT')))
        assert.equal(portOf('health'), Number(setting(settings, 'HEALTH_PORT')))
        assert.deepEqual(service.spec.ports, [{ name: 'grid', port: portOf('grid'), targetPort: 'grid' }])
        const { ingress = [], egress = [] } = only(resources, 'NetworkPolicy').spec
        assert.deepEqual(
          ingress.flatMap(({ ports }) => ports.map(({ port }) => port)),
          ['grid']
        )
        assert.deepEqual(
          egress.flatMap(({ ports }) => ports.map(({ port }) => port)),
          ['grid', 53, 53]
        )
      })

      it('asks the pages of the server that there are', () => {
        const probes = [container.readinessProbe, container.livenessProbe].map(({ httpGet }) => httpGet)
        assert.deepEqual(probes, [
          { path: '/readyz', port: 'health' },
          { path: '/livez', port: 'health' }
        ])
        for (const { path } of probes) assert.ok(source.includes(`'${path}'`))
      })

      it('has a Service that knows each pod from its start on', () => {
        assert.equal(service.spec.clusterIP, 'None')
        assert.equal(service.spec.publishNotReadyAddresses, true)
        const name = setting(settings, 'GRID_DNS')
        const byService = kind === 'StatefulSet'
        assert.equal(name, byService ? `_grid._tcp.${service.metadata.name}` : service.metadata.name)
        if (byService) assert.equal(workload.spec.serviceName, service.metadata.name)
      })

      it('waits for the shutdown of the server before it kills', () => {
        const [command, seconds] = container.lifecycle.preStop.exec.command
        assert.equal(command, 'sleep')
        const needed = Number(seconds) + Number(setting(settings, 'GRID_GRACE_MS')) / 1000
        assert.ok(pod.terminationGracePeriodSeconds > needed, `${pod.terminationGracePeriodSeconds} s for ${needed} s`)
      })

      it('starts the image as the user that it has, with no more rights', () => {
        const { runAsUser, runAsGroup, runAsNonRoot } = pod.securityContext
        assert.equal(`${runAsUser}:${runAsGroup}`, instruction('USER'))
        assert.equal(runAsNonRoot, true)
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] }
        })
        const [first = ''] = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8').split('\n')
        assert.ok(first.endsWith(`--tag ${container.image} .`))
      })

      it('has a way for peers to prove themselves, where its files are mounted', () => {
        const file = settings.get('GRID_TLS_DIR') ?? settings.get('GRID_SECRET_FILE')
        assert.equal([settings.has('GRID_TLS_DIR'), settings.has('GRID_SECRET_FILE')].filter(Boolean).length, 1)
        const mounts = container.volumeMounts.filter(({ mountPath }) => `${file}/`.startsWith(`${mountPath}/`))
        assert.equal(mounts.length, 1)
        assert.deepEqual(
          pod.volumes.map(({ name }) => name),
          mounts.map(({ name }) => name)
        )
      })
    })

    if (kind === 'Deployment') continue
    it('has certificates for the names of its servers, of an issuer that is there', () => {
      const local = new URL(setting(settings, 'GRID_LOCAL').replaceAll(/\$\(POD_(\w+)\)/g, 'pod-$1'))
      const [volume] = pod.volumes
      const attributes = volume?.csi?.volumeAttributes ?? {}
      const name = attributes['csi.cert-manager.io/dns-names']?.replaceAll(/\$\{POD_(\w+)\}/g, 'pod-$1')
      assert.equal(local.hostname, name?.toLowerCase())
      assert.equal(local.hostname, `pod-name.${service.metadata.name}.pod-namespace.svc.cluster.local`)
      assert.equal(Number(local.port), portOf('grid'))
      const usages = attributes['csi.cert-manager.io/key-usages']?.split(',')
      for (const usage of ['server auth', 'client auth']) assert.ok(usages?.includes(usage))
      const authorities = read('certificates.yaml')
      const issuer = authorities.find(
        (each) => each.kind === 'Issuer' && each.metadata.name === attributes['csi.cert-manager.io/issuer-name']
      )
      const certificate = authorities.find(({ spec }) => spec.secretName === issuer?.spec.ca?.secretName)
      assert.ok(issuer !== undefined && certificate !== undefined)
      assert.ok(authorities.some(({ metadata }) => metadata.name === certificate.spec.issuerRef?.name))
    })
  }
})

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image: string
        readonly build: { readonly context: string; readonly dockerfile: string }
        readonly environment: Readonly<Record<string, string>>
        readonly secrets: readonly string[]
        readonly ports?: readonly string[]
        readonly stop_grace_period: string
        readonly healthcheck: { readonly test: readonly string[] }
      }
    >
  >
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

describe('deploy/compose.yaml', () => {
  const compose = parse(readFileSync(join(root, 'deploy/compose.yaml'), 'utf8'), { merge: true }) as Compose
  const services = Object.entries(compose.services)

  it('starts one server for each host of its list, under its name, on the port of the server', () => {
    const names = services.map(([name, { environment }]) => {
      const settings = settingsOf(Object.entries(environment).map(([each, value]) => ({ name: each, value })))
      const local = new URL(setting(settings, 'GRID_LOCAL'))
      assert.deepEqual([local.hostname, local.port], [name, setting(settings, 'GRID_PORT')])
      return [local.origin, setting(settings, 'GRID_HOSTS')]
    })
    for (const [, list] of names)
      assert.deepEqual(
        list?.split(','),
        names.map(([local]) => local)
      )
  })

  it('gives them a secret, a probe and time to end', () => {
    for (const [, { environment, secrets, healthcheck, stop_grace_period, ports = [] }] of services) {
      const settings = new Map(Object.entries(environment))
      assert.deepEqual(secrets, Object.keys(compose.secrets))
      assert.equal(setting(settings, 'GRID_SECRET_FILE'), `/run/secrets/${secrets[0]}`)
      const port = setting(settings, 'HEALTH_PORT')
      assert.equal(healthcheck.test.at(-1), `http://127.0.0.1:${port}/readyz`)
      assert.ok(Number.parseInt(stop_grace_period, 10) * 1000 > Number(setting(settings, 'GRID_GRACE_MS')))
      for (const published of ports) assert.ok(published.endsWith(`:${port}`))
    }
  })

  it('builds the image that there is, whose context has what it copies and no secret', () => {
    for (const [, { build, image }] of services) {
      assert.deepEqual([build.context, image], ['..', 'grid-server'])
      assert.ok(existsSync(join(root, build.dockerfile)))
    }
    const ignored = readFileSync(join(root, 'deploy/Dockerfile.dockerignore'), 'utf8').split('\n')
    const copied = (stages[0] ?? [])
      .filter(([name]) => name === 'COPY')
      .flatMap(([, rest]) => rest.split(' ').slice(0, -1))
    assert.ok(copied.length >= 6)
    for (const path of copied) {
      assert.ok(existsSync(join(root, path)), path)
      assert.ok(
        ignored.some((line) => line === `!${path}` || line.startsWith(`!${path}/`)),
        `${path} is not in the context`
      )
    }
    assert.equal(ignored[0], '*')
    const { file } = compose.secrets.grid ?? {}
    assert.match(readFileSync(join(root, '.gitignore'), 'utf8'), new RegExp(`^deploy/${file}$`, 'm'))
  })
})

describe('deploy/systemd/grid.service', () => {
  const text = readFileSync(join(root, 'deploy/systemd/grid.service'), 'utf8')
  /** Each setting of the service, which may be there several times. */
  const all = (name: string) => [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)
  const one = (name: string) => {
    const [value, ...more] = all(name)
    assert.ok(value !== undefined && more.length === 0, `one ${name}`)
    return value
  }
  const variables = (lines: readonly string[]) =>
    lines.map((line) => line.split('=', 2) as [string, string]).map(([name, value]) => ({ name, value }))

  it('starts the server that the page builds as the image does, with what it reads', () => {
    const [, bundled = ''] =
      /--outfile=(\S+)/.exec(stages[0]?.find(([, rest]) => rest.includes('esbuild'))?.[1] ?? '') ?? []
    const [, file = ''] = /^\/usr\/bin\/node (\S+)$/.exec(one('ExecStart')) ?? []
    const blocks = page.code('').join('')
    assert.ok(blocks.includes(`${bundled} ${file}\n`) && blocks.includes(`--outfile=${bundled} `))
    const build = stages[0]?.find(([name, rest]) => name === 'RUN' && rest.includes('esbuild'))?.[1] ?? ''
    assert.ok(blocks.replace(/ \\\n +/g, ' ').includes(build.replace(/ +/g, ' ')), 'by the same command')
    for (const path of [one('EnvironmentFile'), one('LoadCredential').split(':')[1] ?? ''])
      assert.ok(blocks.includes(` ${path}`), path)
    const [, env = ''] = /<<END\n([\s\S]*?)\nEND\n/.exec(blocks) ?? []
    const own = all('Environment').filter((line) => !line.startsWith('NODE_ENV='))
    const settings = settingsOf(variables([...env.split('\n'), ...own]))
    assert.ok(settings.has('GRID_LOCAL') && settings.has('GRID_HOSTS'))
    assert.equal(settings.get('GRID_SECRET_FILE'), `/run/credentials/%n/${one('LoadCredential').split(':')[0]}`)
  })

  it('ends it by the signal that it listens to, and gives it longer than its calls get', () => {
    assert.equal(one('KillSignal'), 'SIGTERM')
    assert.equal(one('KillMode'), 'mixed')
    assert.ok(Number(one('TimeoutStopSec')) * 1000 > Number(known.get('GRID_GRACE_MS')))
    assert.equal(one('Restart'), 'always')
    for (const name of ['DynamicUser', 'NoNewPrivileges', 'PrivateTmp']) assert.equal(one(name), 'yes')
    assert.deepEqual([one('CapabilityBoundingSet'), one('ProtectSystem')], ['', 'strict'])
  })

  const missing =
    spawnSync('systemd-analyze', ['--version']).error === undefined ? undefined : 'systemd-analyze is not installed'
  it('has no setting that systemd does not know', { skip: missing }, (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'it-grid-unit-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const verify = (unit: string) => {
      writeFileSync(join(folder, 'grid.service'), unit.replace('/usr/bin/node', process.execPath))
      return spawnSync('systemd-analyze', ['verify', join(folder, 'grid.service')], { encoding: 'utf8' })
    }
    const { status, stderr } = verify(text)
    assert.deepEqual([status, stderr.split('\n').filter((line) => line.includes('grid.service'))], [0, []])
    assert.match(verify(text.replace('TimeoutStopSec', 'TimeOutStopSec')).stderr, /'TimeOutStopSec'/)
  })
})

describe('docs/deploy.md', () => {
  it('lists what the server reads, with its defaults', () => {
    const rows = page.rows('What the server reads').slice(2)
    const listed = rows.map(([name = '', value]) => [name, value] as const)
    const expected = [...known].map(([name, value]) => [name, value ?? ''] as const)
    const byName = (a: readonly [string, unknown], b: readonly [string, unknown]) => a[0].localeCompare(b[0])
    assert.deepEqual(listed.toSorted(byName), expected.toSorted(byName))
  })
})
