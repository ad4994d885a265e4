import { Command, Option } from 'commander';
import { connect, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import { withExamples } from '../../help.js';
import { jsonText } from '../../render.js';
import { credentialPolicySchema, type CredentialPolicy } from '../../wire.js';

type Answer = 'yes' | 'no';

interface PolicyOptions extends OutputOptions {
  fallback?: Answer;
  automation?: Answer;
}

/** `berth credentials policy` */
export function policyCommand(context: CliContext): Command {
  const command = withConnection(new Command('policy'))
    .description("show whom the organization's credentials serve, or decide it (admins)")
    .addOption(yesOrNo('--fallback <answer>', 'members whose own credentials fail'))
    .addOption(yesOrNo('--automation <answer>', 'work that no person asked for'))
    .option('--json', 'print it as JSON')
    .action((options: PolicyOptions) => policy(context, options));
  return withExamples(command, 'berth credentials policy', 'berth credentials policy --automation yes');
}

const yesOrNo = (flags: string, description: string): Option =>
  new Option(flags, description).choices(['yes', 'no'] satisfies Answer[]);

async function policy(context: CliContext, options: PolicyOptions): Promise<void> {
  const { fallback, automation } = options;
  const session = await connect(context, options);
  const path = session.path('credential-policy');
  const before = await session.api.get(path, credentialPolicySchema);
  if (fallback === undefined && automation === undefined) {
    print(context, options, before);
    return;
  }
  // What is not said stays: of the first the API wants to hear, the second it leaves alone.
  const body = {
    organizationFallback: fallback === undefined ? before.organizationFallback : fallback === 'yes',
    ...(automation === undefined ? {} : { automation: automation === 'yes' }),
  };
  print(context, options, await session.api.change('PUT', path, credentialPolicySchema, { body }));
}

function print(context: CliContext, options: OutputOptions, shown: CredentialPolicy): void {
  if (options.json) return context.out(`${jsonText(shown, 2)}\n`);
  const said = (is: boolean): Answer => (is ? 'yes' : 'no');
  context.out(
    `members whose own credentials fail  ${said(shown.organizationFallback)}\n` +
      `work that no person asked for       ${said(shown.automation)}\n`,
  );
}
