import { escapeLiteral } from 'pg';
import type { Secret } from '../../kernel/index.js';
import { scramVerifier } from './scram.js';
import type { Guard } from './guard.js';

/** URL of the role `berth` and its database. */
export function ownerUrl(port: number, password: Secret): string {
  return `postgresql://berth:${password.reveal()}@127.0.0.1:${port}/berth`;
}

/** Makes the role `berth` and its database, unless they are there. Called with the lock held, so nobody else does the same. */
export async function ensureOwner(guard: Guard, password: Secret): Promise<void> {
  const roles = await guard.query(`SELECT 1 FROM pg_roles WHERE rolname = 'berth'`);
  const verb = roles.length === 0 ? 'CREATE' : 'ALTER';
  // CREATEROLE makes the run-time logins; neither superuser nor BYPASSRLS, so that even the owner obeys policies when forced.
  const verifier = escapeLiteral(scramVerifier(password));
  await guard.query(`${verb} ROLE berth LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD ${verifier}`);

  const databases = await guard.query(`SELECT 1 FROM pg_database WHERE datname = 'berth'`);
  if (databases.length === 0) await guard.query('CREATE DATABASE berth OWNER berth');
  // The logins made for Berth have no business in the other databases.
  await guard.query('REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC');
}
