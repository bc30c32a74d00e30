/**
 * For specs that run over and over what other specs cover, or measure what this process holds: of their process no coverage is
 * taken, and it is theirs alone. V8 would count each block that runs, and what computes for seconds would take half as long again.
 */

import { stopCoverage } from 'node:v8'

stopCoverage()
