/** The behaviour of calls over unix; see `suite.ts`. */

import { behaviourSuite } from './suite.ts'
import '../support/uncovered.ts'

behaviourSuite('unix')
