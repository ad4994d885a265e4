export { scramVerifier } from './scram.js';
export {
  embeddedSuperuserUrl,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.js';
