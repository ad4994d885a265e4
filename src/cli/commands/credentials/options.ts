import { Argument, Option } from 'commander';
import { kindSchema, scopeSchema, setKindSchema, type Kind, type Scope } from '../../../contracts/index.js';

/** `<kind>` */
export function kindArgument(): Argument {
  return new Argument('<kind>', 'kind of the credential').choices(kindSchema.options);
}

/** `<kind>`, of those that people set and remove. */
export function setKindArgument(): Argument {
  return new Argument('<kind>', 'kind of the credential').choices(setKindSchema.options);
}

/** `--scope`; a person's own by default. */
export function scopeOption(): Option {
  return new Option('--scope <scope>', 'your own, or for everybody in the organization (admins)')
    .choices(scopeSchema.options)
    .default('user' satisfies Scope);
}

/** How a credential is named in sentences. */
export function nameOf(kind: Kind, scope: Scope): string {
  return `${kind} (${scope === 'user' ? 'your own' : "the organization's"})`;
}
