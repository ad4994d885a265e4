import { hash, verify } from '@node-rs/argon2';

/** OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

export function hashPassword(password: string): Promise<string> {
  return hash(password, COST);
}

/**
 * Checks a password. Where nobody has that address, it is checked against a hash that nothing matches, so that the time taken does not
 * tell who has an account.
 */
export async function passwordMatches(password: string, stored: string | null): Promise<boolean> {
  nobody ??= await hashPassword('nobody has this password');
  const matches = await verify(stored ?? nobody, password);
  return stored !== null && matches;
}

let nobody: string | undefined;
