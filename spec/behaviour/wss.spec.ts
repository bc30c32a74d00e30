/** The behaviour of calls over wss; see `suite.ts`. */

import { behaviourSuite } from './suite.ts'

behaviourSuite('wss')
