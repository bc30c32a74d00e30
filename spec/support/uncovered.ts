/**
 * For specs that run over and over what other specs cover: of their process no coverage is taken. V8 would count each block
 * that runs, and what computes for seconds would take half as long again.
 */

import { stopCoverage } from 'node:v8'

stopCoverage()
