/** The behaviour of calls over unix; see `suite.ts`. */

import { behaviourSuite } from './suite.ts'

behaviourSuite('unix')
