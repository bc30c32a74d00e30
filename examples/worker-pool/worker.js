/** Runs in a thread: counts the primes below `limit`, as slowly as it can. */
export default function countPrimes({ limit, progress }) {
  const seen = new Int32Array(progress)
  let primes = 0
  for (let n = 2; n < limit; n++) {
    let isPrime = true
    for (let divisor = 2; divisor < n && isPrime; divisor++) isPrime = n % divisor !== 0
    if (isPrime) primes++
    seen[0] = n
  }
  return primes
}
