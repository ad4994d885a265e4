export { scramVerifier } from './scram.js';
export {
  embeddedSuperuserUrl,
  runningEmbeddedUrl,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.js';
