import { diffToSchema } from './schema-engine.js';

/**
 * `npm run schema:diff -- <owner url> [empty]`: the SQL for the next migration (from that database, or from nothing), to be read, extended and put
 * under prisma/migrations.
 */
const [ownerUrl, from] = process.argv.slice(2);
if (!ownerUrl) throw new Error('Usage: npm run schema:diff -- <owner url> [empty]');
console.log(await diffToSchema(from === 'empty' ? 'empty' : 'database', ownerUrl, 'prisma/schema.prisma'));
