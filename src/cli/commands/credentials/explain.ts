import { Argument, Command } from 'commander';
import { agentNames, agentSchema, type Agent } from '../../../contracts/agents.js';
import type { SetKind } from '../../../contracts/index.js';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { jsonText, printable, table } from '../../render.js';
import type { Session } from '../../session.js';
import { resolutionSchema, type Resolution } from '../../wire.js';

/** The kind that whoever has none yet can get without further ado. */
const simplest: Record<Agent, SetKind> = { claude: 'anthropic_api_key', codex: 'openai_api_key' };

interface ExplainOptions extends OutputOptions {
  user?: string;
}

/** `berth credentials explain` */
export function explainCommand(context: CliContext): Command {
  const command = withConnection(new Command('explain'))
    .description('say which credential serves an agent, in which order they are tried, and why')
    .addArgument(new Argument('[agents...]', 'which agents (default: all)').choices(agentSchema.options))
    .option('--user <id>', 'for another member, by user id (admins)')
    .option('--json', 'print the resolutions as a JSON array')
    .action((agents: Agent[], options: ExplainOptions) => explain(context, agents, options));
  return withExamples(command, 'berth credentials explain', 'berth credentials explain codex --json');
}

async function explain(context: CliContext, agents: Agent[], options: ExplainOptions): Promise<void> {
  const session = await connect(context, options);
  const found: Resolution[] = [];
  for (const agent of agents.length > 0 ? agents : agentSchema.options)
    found.push(await resolve(session, agent, options.user));
  context.out(options.json ? `${jsonText(found, 2)}\n` : found.map(explanation).join('\n'));
}

function resolve(session: Session, agent: Agent, userId: string | undefined): Promise<Resolution> {
  const query = new URLSearchParams({ agent, ...(userId === undefined ? {} : { userId }) });
  return session.api.get(
    `${session.path('credentials', 'resolution')}?${query.toString()}`,
    resolutionSchema,
  );
}

function explanation({ agent, chosen, candidates }: Resolution): string {
  const name = agentNames[agent as Agent];
  if (candidates.length === 0)
    return `${name}: no credential yet. "berth credentials set ${simplest[agent as Agent]}" stores one; "berth help credentials" lists the other ways.\n`;
  const head = chosen
    ? printable(`${name} works with ${chosen.kind} (${chosen.scope}).`)
    : `${name}: none of these can be used.`;
  const rows = candidates.map(({ kind, scope, usable, reason }, at) => [
    String(at + 1),
    kind,
    scope,
    usable ? 'yes' : 'no',
    reason,
  ]);
  return `${head}\n${table(['', 'KIND', 'SCOPE', 'USABLE', 'WHY'], rows)}`;
}
