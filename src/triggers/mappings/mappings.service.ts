import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/index.js';
import {
  mappingInputSchema,
  type AuditAction,
  type MappingChange,
  type MappingInput,
  type MappingView,
  type PageQuery,
} from '../../contracts/index.js';
import { Database, isUniqueViolation, type Tenant } from '../../database/index.js';
import { fieldErrors, invalid, pageOf, sliceOf, type Page } from '../../http/index.js';
import { auditedMember, type Actor } from '../../identity/index.js';
import { BerthError, World } from '../../kernel/index.js';
import { parseRepository, refProblem } from '../../workspaces/index.js';
import { choose, mappingOfRepository, type Choice, type IssuePlace } from './choose.js';
import { mappingsStore, type MappingRow, type NewMapping } from './mappings.store.js';
import { RepositoryKnowledge, type NamedRepository } from './ports.js';

/** All of them are looked at for each issue. */
const MAX_MAPPINGS = 1000;

/** Which repository work for a Linear team goes to, and how it is done there: set by admins. */
@Injectable()
export class Mappings {
  constructor(
    private readonly database: Database,
    private readonly knowledge: RepositoryKnowledge,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /** Where an issue goes. Inside a transaction of the caller. */
  async forIssue(tenant: Tenant, place: IssuePlace): Promise<Choice<MappingRow>> {
    return choose(await mappingsStore.enabled(tenant), place);
  }

  /** The settings for work in a repository; null when none is set for it, or several that differ. Inside a transaction of the caller. */
  async forRepository(
    tenant: Tenant,
    { repository, repositoryId }: NamedRepository,
  ): Promise<MappingRow | null> {
    const named = { repository: tidy(repository), repositoryId };
    return mappingOfRepository(await mappingsStore.enabled(tenant), named);
  }

  /** Repositories as they are called now, told by who knows. Inside the transaction in which that is written. */
  async named(tenant: Tenant, repositories: { repositoryId: string; fullName: string }[]): Promise<void> {
    await mappingsStore.named(tenant, repositories);
  }

  list(actor: Actor, query: PageQuery): Promise<Page<MappingView>> {
    const slice = sliceOf(query);
    return this.database.tenant(actor.organizationId, async (tenant) =>
      pageOf(await mappingsStore.page(tenant, slice), slice, (mapping) => mapping),
    );
  }

  /** Throws `not-found`. */
  show(actor: Actor, id: string): Promise<MappingView> {
    return this.database.tenant(actor.organizationId, (tenant) => this.view(tenant, id));
  }

  /** Throws `validation-failed`, `mapping-exists`, `limit-mappings`. */
  async create(actor: Actor, input: MappingInput): Promise<MappingView> {
    const mapping = checked(input);
    const id = this.world.ids.next();
    return this.write(actor, id, 'mapping.created', async (tenant) => {
      if ((await mappingsStore.count(tenant)) >= MAX_MAPPINGS)
        throw new BerthError(
          'limit-mappings',
          `An organization has ${MAX_MAPPINGS} mappings at most. Remove one.`,
        );
      await mappingsStore.create(tenant, id, await this.numbered(tenant, mapping), this.world.clock.now());
    });
  }

  /** All of it anew. Throws `not-found`, `validation-failed`, `mapping-exists`. */
  async replace(actor: Actor, id: string, input: MappingInput): Promise<MappingView> {
    const mapping = checked(input);
    return this.write(actor, id, 'mapping.changed', (tenant) => this.put(tenant, id, mapping));
  }

  /** What is said of it; the rest stays, also what somebody else changes at the same moment. Throws as `replace`. */
  async change(actor: Actor, id: string, said: MappingChange): Promise<MappingView> {
    return this.write(actor, id, 'mapping.changed', async (tenant) => {
      const before = await mappingsStore.findLocked(tenant, id);
      if (!before) throw noMapping();
      await this.put(tenant, id, checked(changed(before, said)));
    });
  }

  private async put(tenant: Tenant, id: string, mapping: MappingInput): Promise<void> {
    const numbered = await this.numbered(tenant, mapping);
    if (!(await mappingsStore.change(tenant, id, numbered, this.world.clock.now()))) throw noMapping();
  }

  /** Which one is meant by the name today: tomorrow another may be called so. */
  private async numbered(tenant: Tenant, mapping: MappingInput): Promise<NewMapping> {
    return { ...mapping, repositoryId: await this.knowledge.numberOf(tenant, mapping.repository) };
  }

  /** Throws `not-found`. */
  async remove(actor: Actor, id: string): Promise<void> {
    await this.database.tenant(actor.organizationId, async (tenant) => {
      const mapping = await this.view(tenant, id);
      await mappingsStore.remove(tenant, id);
      this.book(tenant, actor, 'mapping.removed', mapping);
    });
  }

  private async write(
    actor: Actor,
    id: string,
    action: AuditAction,
    work: (tenant: Tenant) => Promise<void>,
  ): Promise<MappingView> {
    try {
      return await this.database.tenant(actor.organizationId, async (tenant) => {
        await work(tenant);
        const mapping = await this.view(tenant, id);
        this.book(tenant, actor, action, mapping);
        return mapping;
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new BerthError(
        'mapping-exists',
        'There is a mapping of this team, project and label to this repository already. Change that one.',
        { cause: error },
      );
    }
  }

  private async view(tenant: Tenant, id: string): Promise<MappingView> {
    const mapping = await mappingsStore.find(tenant, id);
    if (!mapping) throw noMapping();
    return mapping;
  }

  private book(tenant: Tenant, actor: Actor, action: AuditAction, { id, ...mapping }: MappingView): void {
    const subject = { type: 'mapping' as const, id, name: `${mapping.linearTeamKey}: ${mapping.repository}` };
    this.audit.record(tenant, { action, actor: auditedMember(actor), subject, details: mapping });
  }
}

function noMapping(): BerthError {
  return new BerthError('not-found', 'There is no such mapping here.');
}

/** A mapping with what is said of it. A region is Bedrock's alone, and goes with it. Throws `validation-failed` where that fits no more. */
function changed({ id: _id, ...before }: MappingView, said: MappingChange): MappingInput {
  const region = said.provider === 'anthropic' ? { awsRegion: null } : {};
  const whole = { ...before, ...region, ...said };
  const merged = mappingInputSchema.safeParse(whole);
  if (merged.success) return merged.data;
  throw invalid(merged.error.issues.flatMap((issue) => fieldErrors('body', whole, issue)));
}

/** Of what a workspace would refuse later an admin hears now. */
function checked(input: MappingInput): MappingInput {
  const parsed = parseRepository(input.repository);
  const problems = {
    repository: 'problem' in parsed ? parsed.problem : null,
    branch: input.branch === null ? null : refProblem(input.branch),
  };
  const errors = Object.entries(problems).flatMap(([field, message]) =>
    message === null ? [] : [{ path: `body.${field}`, message }],
  );
  if (errors.length > 0) throw invalid(errors);
  return { ...input, repository: tidy(input.repository) };
}

/** One text for one repository: what is at GitHub as `owner/name`. */
function tidy(repository: string): string {
  return repository.trim().replace(/^https:\/\/github\.com\/([^/]+\/[^/]+?)(\.git)?\/?$/i, '$1');
}
