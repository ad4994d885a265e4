import { Injectable } from '@nestjs/common';
import { createWorkspaceSchema, type CreateWorkspace } from '../../contracts/index.js';
import type { JsonObject } from '../../database/index.js';
import type { WorkspaceTerms } from '../../workspaces/index.js';
import type { Ask } from './ask.js';
import { nameFrom, promptFrom } from './words.js';

/** What a workspace is made of, as far as it is known before it is known who asked. */
export interface Plan {
  repository: string;
  ref?: string;
  terms: WorkspaceTerms;
}

/** Where the work of an ask is done, and on which terms. */
@Injectable()
export class Starting {
  /** Null: the organization has said nowhere where such work is done. Asked before the transaction: it may look into the repository. */
  prepare({ place, conversation, system, readOnly }: Ask): Promise<Plan | null> {
    const terms = { origin: { type: system, url: conversation.url }, readOnly };
    if ('repository' in place) {
      const { repository, ref, branch, pullRequest } = place;
      return Promise.resolve({
        repository,
        ...(ref ? { ref } : {}),
        terms: { ...terms, branch, pullRequest },
      });
    }
    const { chosen } = place.linear;
    return Promise.resolve(chosen === undefined ? null : { repository: chosen, terms });
  }

  /** The workspace that this member gets for it, as the chat makes it. */
  workspaceFor(
    { title, text }: Ask,
    { repository, ref, terms }: Plan,
    decision: JsonObject,
  ): [CreateWorkspace, WorkspaceTerms] {
    const name = nameFrom(title);
    const input = createWorkspaceSchema.parse({
      repository,
      message: promptFrom(text),
      ...(ref === undefined ? {} : { ref }),
      ...(name === undefined ? {} : { name }),
    });
    return [input, { ...terms, decision }];
  }
}
