import { BerthError } from '../../../kernel/index.js';

/**
 * Claude's models at Bedrock, as of 2026-11-26: the names and ids are those of Claude Code 2.1.330, the geographies those of AWS's list of cross-region inference profiles. A model that is
 * not here is named like all newer ones (`anthropic.` and its name), and BERTH_BEDROCK_MODELS says otherwise.
 */

/** Within which borders a call may be answered: the beginning of an inference profile's id. `global` keeps none. */
type Geography = 'us' | 'us-gov' | 'eu' | 'apac' | 'jp' | 'au' | 'global';

interface BedrockModel {
  /** Without a geography; newer models are not served under it. */
  id: string;
  geographies: readonly Geography[];
}

const EVERYWHERE: readonly Geography[] = ['us', 'us-gov', 'eu', 'jp', 'au', 'global'];
const WEST: readonly Geography[] = ['us', 'us-gov', 'eu', 'global'];

const table: Record<string, BedrockModel> = {
  'claude-opus-5-5': { id: 'anthropic.claude-opus-5-5', geographies: WEST },
  'claude-sonnet-5-5': { id: 'anthropic.claude-sonnet-5-5', geographies: WEST },
  'claude-haiku-5-5': { id: 'anthropic.claude-haiku-5-5', geographies: WEST },
  'claude-opus-5': { id: 'anthropic.claude-opus-5', geographies: EVERYWHERE },
  'claude-sonnet-5': { id: 'anthropic.claude-sonnet-5', geographies: WEST },
  'claude-opus-4-8': { id: 'anthropic.claude-opus-4-8', geographies: EVERYWHERE },
  'claude-opus-4-7': { id: 'anthropic.claude-opus-4-7', geographies: EVERYWHERE },
  'claude-opus-4-6': { id: 'anthropic.claude-opus-4-6-v1', geographies: WEST },
  'claude-sonnet-4-6': { id: 'anthropic.claude-sonnet-4-6', geographies: EVERYWHERE },
  'claude-opus-4-5': { id: 'anthropic.claude-opus-4-5-20251101-v1:0', geographies: WEST },
  'claude-sonnet-4-5': { id: 'anthropic.claude-sonnet-4-5-20250929-v1:0', geographies: EVERYWHERE },
  'claude-haiku-4-5': { id: 'anthropic.claude-haiku-4-5-20251001-v1:0', geographies: EVERYWHERE },
  'claude-opus-4-1': { id: 'anthropic.claude-opus-4-1-20250805-v1:0', geographies: ['us'] },
  'claude-sonnet-4': {
    id: 'anthropic.claude-sonnet-4-20250514-v1:0',
    geographies: ['us', 'eu', 'apac', 'global'],
  },
};

const PREFIX = /^(?:us|us-gov|eu|apac|jp|au|global)\.(?=anthropic\.)/;

/** The date in a model's full name at Anthropic, as in `claude-haiku-4-5-20251001`. */
const DATE = /-20\d{6}$/;

/** A name that follows the rule of the newer ones. */
const NAME = /^claude-[a-z0-9][a-z0-9-]*$/;

/** What is an id at Bedrock already: of a model, a profile, or an ARN of either. */
const ID = /^(?:arn:aws[a-z-]*:bedrock:|(?:[a-z]{2,6}(?:-gov)?\.)?anthropic\.)[\w.:/-]+$/;

/**
 * The id under which Bedrock serves a model in a region. `configured` goes before the table, and an id is taken as it is. Throws BerthError `bad-request` for a name that stands for nothing
 * there, with what to do.
 */
export function bedrockModel(
  name: string,
  region: string,
  configured: Readonly<Record<string, string>>,
): string {
  const chosen = Object.hasOwn(configured, name) ? configured[name] : undefined;
  if (chosen !== undefined) return chosen;
  if (ID.test(name)) return name;
  if (!NAME.test(name)) throw unknown(name);
  const short = name.replace(DATE, '');
  const model = Object.hasOwn(table, short) ? table[short] : undefined;
  const { id, geographies } = model ?? { id: `anthropic.${name}`, geographies: WEST };
  const geography = geographiesOf(region).find((one) => geographies.includes(one));
  if (geography === undefined) throw notThere(name, region);
  return `${geography}.${id}`;
}

/** The model's own id, for what inference profiles cannot do; an ARN stays as it is. */
export function withoutGeography(id: string): string {
  return id.replace(PREFIX, '');
}

/** The borders that a region lies in, the narrowest first. */
function geographiesOf(region: string): readonly Geography[] {
  if (region.startsWith('us-gov-')) return ['us-gov'];
  if (region.startsWith('us-')) return ['us', 'global'];
  if (region.startsWith('eu-')) return ['eu', 'global'];
  if (/^ap-northeast-[13]$/.test(region)) return ['jp', 'apac', 'global'];
  if (/^ap-southeast-[24]$/.test(region)) return ['au', 'apac', 'global'];
  return region.startsWith('ap-') ? ['apac', 'global'] : ['global'];
}

function unknown(name: string): BerthError {
  return new BerthError(
    'bad-request',
    `The model ${JSON.stringify(name.slice(0, 100))} is not known at AWS Bedrock, which serves this workspace now. Choose another, or have its id there named in BERTH_BEDROCK_MODELS.`,
  );
}

function notThere(name: string, region: string): BerthError {
  return new BerthError(
    'bad-request',
    `AWS Bedrock, which serves this workspace now, has no inference profile of ${name} for ${region}. Choose another model, or have an id named in BERTH_BEDROCK_MODELS.`,
  );
}
