/** The behaviour of calls over tcp; see `suite.ts`. */

import { behaviourSuite } from './suite.ts'

behaviourSuite('tcp')
