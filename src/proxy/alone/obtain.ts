import type { IdentitySource } from '../../config/proxy-alone.js';
import type { Clock } from '../../kernel/index.js';
import { assert } from './assertions.js';
import type { Obtained } from './identity.js';
import { obtainFromAnthropic } from './obtain-anthropic.js';
import { obtainFromAws } from './obtain-aws.js';
import { obtainFromAzure } from './obtain-azure.js';
import { obtainFromGcp } from './obtain-gcp.js';

/** Says who this proxy is, and gets for it what the provider gives. Never rejects. */
export async function obtain(source: IdentitySource, clock: Clock): Promise<Obtained> {
  const asserted = await assert(source.assertion);
  if (!('assertion' in asserted)) return asserted;
  const { assertion } = asserted;
  switch (source.provider) {
    case 'anthropic':
      return obtainFromAnthropic(source, assertion, clock);
    case 'azure':
      return obtainFromAzure(source, assertion, clock);
    case 'gcp':
      return obtainFromGcp(source, assertion, clock);
    case 'aws':
      return obtainFromAws(source, assertion);
  }
}
