import { Command } from 'commander';
import { connect, withConnection, type OutputOptions } from '../connect.js';
import type { CliContext } from '../context.js';
import { withExamples } from '../help.js';
import { jsonText, oneLine } from '../render.js';
import type { Session } from '../session.js';
import { egressPolicySchema, type EgressPolicy } from '../wire.js';

/** `berth egress` */
export function egressCommand(context: CliContext): Command {
  const group = new Command('egress').description('which hosts agents may reach');
  const commands = [
    showCommand(context),
    changeCommand(context, {
      name: 'allow',
      description: 'allow more hosts, beside those that are allowed (admins)',
      change: (before, hosts) => [...before, ...hosts.filter((host) => !before.includes(host))],
      example: "berth egress allow registry.example.com '*.cdn.example.com'",
    }),
    changeCommand(context, {
      name: 'forbid',
      description: 'take hosts off the list (admins); open connections end within 10 seconds',
      change: (before, hosts) => before.filter((host) => !hosts.includes(host)),
      example: 'berth egress forbid registry.example.com',
    }),
    resetCommand(context),
  ];
  for (const command of commands) group.addCommand(command);
  return group;
}

function showCommand(context: CliContext): Command {
  const command = withConnection(new Command('show'))
    .description('list the hosts that agents may reach')
    .option('--json', 'print them as JSON')
    .action(async (options: OutputOptions) => {
      print(context, options, await shown(await connect(context, options)));
    });
  return withExamples(command, 'berth egress show');
}

interface Change {
  name: string;
  description: string;
  change: (before: string[], hosts: string[]) => string[];
  example: string;
}

function changeCommand(context: CliContext, { name, description, change, example }: Change): Command {
  const command = withConnection(new Command(name))
    .description(description)
    .argument('<host...>', 'name of a host, or *.example.com for all names below it')
    .option('--json', 'print the list as JSON')
    .action(async (hosts: string[], options: OutputOptions) => {
      const session = await connect(context, options);
      const { allowedHosts, isDefault } = await shown(session);
      const wanted = hosts.map((host) => host.trim().toLowerCase().replace(/\.$/, ''));
      const after = await set(session, change(allowedHosts, wanted));
      if (isDefault)
        context.err(
          'The list is the organization’s own from now on: the git host of each workspace is on it only if you add it. "berth egress reset" takes Berth’s own again.\n',
        );
      print(context, options, after);
    });
  return withExamples(command, example);
}

function resetCommand(context: CliContext): Command {
  const command = withConnection(new Command('reset'))
    .description("take Berth's own list again: package registries, and the workspace's git host (admins)")
    .option('--json', 'print the list as JSON')
    .action(async (options: OutputOptions) => {
      print(context, options, await set(await connect(context, options), null));
    });
  return withExamples(command, 'berth egress reset');
}

const shown = (session: Session): Promise<EgressPolicy> =>
  session.api.get(session.path('egress-policy'), egressPolicySchema);

function set(session: Session, allowedHosts: string[] | null): Promise<EgressPolicy> {
  return session.api.change('PUT', session.path('egress-policy'), egressPolicySchema, {
    body: { allowedHosts },
  });
}

function print(context: CliContext, options: OutputOptions, policy: EgressPolicy): void {
  if (options.json) return context.out(`${jsonText(policy, 2)}\n`);
  for (const host of policy.allowedHosts) context.out(`${oneLine(host)}\n`);
  if (policy.isDefault) context.out("the workspace's git host\n");
  if (policy.allowedHosts.length === 0) context.err('No host is allowed.\n');
}
