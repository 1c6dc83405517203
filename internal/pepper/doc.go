// Package pepper hashes tokens and seals texts under the deployment's secret. [NewHasher] derives a
// [Hasher] from the secret. A Hasher tells which secret of a key a token matches, and signs the
// stored records of keys.
package pepper
