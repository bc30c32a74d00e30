/** The behaviour of calls over memory; see `suite.ts`. */

import { behaviourSuite } from './suite.ts'

behaviourSuite('memory')
