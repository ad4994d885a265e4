import { Injectable } from '@nestjs/common';
import { createWorkspaceSchema, type CreateWorkspace, type MappingView } from '../../contracts/index.js';
import { Database, type JsonObject } from '../../database/index.js';
import type { WorkspaceTerms } from '../../workspaces/index.js';
import { Mappings } from '../mappings/mappings.service.js';
import { RepositoryKnowledge, type NamedRepository } from '../mappings/ports.js';
import { settingsFor, type Preferred } from '../mappings/settings.js';
import { noWorkflow, parseWorkflow, WORKFLOW_FILE, type Workflow } from '../mappings/workflow.js';
import type { Ask } from './ask.js';
import { nameFrom, promptFrom } from './words.js';

/** What a workspace is made of, as far as it is known before it is known who asked. */
export interface Plan {
  repository: string;
  ref?: string;
  terms: WorkspaceTerms;
  mapping: MappingView | null;
  workflow: Workflow;
}

/** Where the work of an ask could be done, when a person has to say. The likeliest comes first. */
export interface Question {
  repositories: string[];
}

/** Where the work of an ask is done, and on which terms. */
@Injectable()
export class Starting {
  constructor(
    private readonly database: Database,
    private readonly mappings: Mappings,
    private readonly knowledge: RepositoryKnowledge,
  ) {}

  /** Null: the organization has said nowhere where such work is done. Asked before the transaction: it looks into the repository, and asks the other system. */
  async prepare({
    organizationId,
    place,
    conversation,
    system,
    readOnly,
  }: Ask): Promise<Plan | Question | null> {
    const terms = { origin: { type: system, url: conversation.url }, readOnly };
    if ('repository' in place) {
      const { repository, repositoryId, ref, branch, pullRequest } = place;
      const named = { repository, repositoryId: repositoryId ?? null };
      const mapping = await this.database.tenant(organizationId, (tenant) =>
        this.mappings.forRepository(tenant, named),
      );
      const workflow = await this.workflowOf(organizationId, named);
      return {
        repository,
        ...(ref ? { ref } : {}),
        terms: { ...terms, branch, pullRequest, repositoryId },
        mapping,
        workflow,
      };
    }
    const choice = await this.database.tenant(organizationId, (tenant) =>
      this.mappings.forIssue(tenant, place.linear),
    );
    if ('none' in choice) return null;
    if ('several' in choice) {
      const repositories = choice.several.map(({ repository }) => repository);
      return { repositories: await this.knowledge.order(organizationId, conversation.subject, repositories) };
    }
    const { one: mapping } = choice;
    const { repository, repositoryId, branch } = mapping;
    const workflow = await this.workflowOf(organizationId, mapping);
    return {
      repository,
      ...(branch === null ? {} : { ref: branch }),
      terms: { ...terms, repositoryId: repositoryId ?? undefined },
      mapping,
      workflow,
    };
  }

  /** The workspace that this member gets for it, as the chat makes it. */
  workspaceFor(
    { title }: Ask,
    text: string,
    { repository, ref, terms, mapping, workflow }: Plan,
    preferred: Preferred,
    decision: JsonObject,
  ): [CreateWorkspace, WorkspaceTerms] {
    const name = nameFrom(title);
    const { agent, model, provider, awsRegion, instructions } = settingsFor(mapping, workflow, preferred);
    const input = createWorkspaceSchema.parse({
      repository,
      message: promptFrom(text),
      agent,
      ...(model === null ? {} : { model }),
      ...(ref === undefined ? {} : { ref }),
      ...(name === undefined ? {} : { name }),
    });
    const settings = {
      mapping: mapping?.id ?? null,
      preferred: { ...preferred },
      workflow: workflow.problems,
    };
    return [
      input,
      {
        ...terms,
        provider,
        awsRegion: awsRegion ?? undefined,
        instructions: instructions ?? undefined,
        decision: { ...decision, settings },
      },
    ];
  }

  /** A file that cannot be had now is as one that is not there: work does not wait for it, and says what it was done without. */
  private async workflowOf(organizationId: string, named: NamedRepository): Promise<Workflow> {
    try {
      const text = await this.knowledge.read(organizationId, named, WORKFLOW_FILE);
      return text === null ? noWorkflow : parseWorkflow(text);
    } catch {
      return {
        ...noWorkflow,
        problems: [`${WORKFLOW_FILE} could not be read at the moment; nothing of it is used`],
      };
    }
  }
}
