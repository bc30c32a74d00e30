/** The behaviour of calls over ws; see `suite.ts`. */

import { behaviourSuite } from './suite.ts'

behaviourSuite('ws')
