import type { Kind, Scope } from '../contracts/index.js';
import type { Tenant } from '../database/index.js';
import type { Slice } from '../http/index.js';

const judged = {
  id: true,
  scope: true,
  userId: true,
  kind: true,
  status: true,
  hint: true,
  generation: true,
  settings: true,
  expiresAt: true,
  limitedUntil: true,
  lastRotatedAt: true,
  lastError: true,
  lineage: true,
  connectedAt: true,
  renewAt: true,
  refusedGeneration: true,
  forcedGeneration: true,
  failures: true,
  retryAt: true,
} as const;
const shown = { ...judged, connector: { select: { id: true, name: true } } } as const;

export interface CredentialPlace {
  scope: Scope;
  /** The member it belongs to; null for the organization's. */
  userId: string | null;
  kind: Kind;
}

export interface NewSecret {
  hint: string;
  sealed: string;
  keyId: string;
  settings: object;
  expiresAt: Date | null;
  renewAt: Date | null;
  /** When people are to be told that the provider ends it. */
  warnAt: Date | null;
  /** Of the login or setting that this begins. */
  lineage: string;
  /** Who set it. */
  connectedBy: string;
  at: Date;
}

const subjectOf = ({ userId }: CredentialPlace): string => userId ?? 'organization';

/** Stored credentials of one tenant. The sealed text leaves only through `sealed`. */
export const credentialsStore = {
  /** Of the organization and of one member: what this member may see and may be served with. */
  visibleTo({ db, organizationId }: Tenant, userId: string, slice?: Slice) {
    return db.credential.findMany({
      where: {
        organizationId,
        subject: { in: ['organization', userId] },
        ...(slice?.after ? { id: { gt: slice.after } } : {}),
      },
      select: shown,
      orderBy: { id: 'asc' },
      ...(slice ? { take: slice.take } : {}),
    });
  },

  /** Of the organization and of these members, all, and of each what decides whether it serves. */
  candidatesAmong({ db, organizationId }: Tenant, userIds: string[]) {
    return db.credential.findMany({
      where: { organizationId, subject: { in: ['organization', ...userIds] } },
      select: judged,
      orderBy: { id: 'asc' },
    });
  },

  find({ db, organizationId }: Tenant, place: CredentialPlace) {
    return db.credential.findUnique({
      where: { organizationId_subject_kind: { organizationId, subject: subjectOf(place), kind: place.kind } },
      select: shown,
    });
  },

  create({ db, organizationId }: Tenant, id: string, place: CredentialPlace, secret: NewSecret) {
    const { at, ...columns } = secret;
    return db.credential.create({
      data: {
        id,
        organizationId,
        ...place,
        subject: subjectOf(place),
        ...columns,
        status: 'active',
        generation: 1,
        connectedAt: at,
        createdAt: at,
        updatedAt: at,
      },
      select: shown,
    });
  },

  /** The credential that stands for one installation of an App: the organization may have several of this kind. */
  async createForInstallation(
    { db, organizationId }: Tenant,
    id: string,
    installationId: string,
    { at, ...columns }: NewSecret,
  ): Promise<void> {
    const subject = `installation/${installationId}`;
    const place = { scope: 'organization', userId: null, subject, kind: 'github_installation' };
    const times = { connectedAt: at, createdAt: at, updatedAt: at };
    await db.credential.create({
      data: { id, organizationId, ...place, ...columns, ...times, status: 'active', generation: 1 },
      select: { id: true },
    });
  },

  async removeById({ db, organizationId }: Tenant, id: string): Promise<void> {
    await db.credential.deleteMany({ where: { organizationId, id } });
  },

  /** One, with what decides whether it serves. */
  candidate({ db, organizationId }: Tenant, id: string) {
    return db.credential.findFirst({ where: { organizationId, id }, select: judged });
  },

  /** A new secret in place of the old: the next generation, with a clean record. Null when the credential is gone. */
  async replace(tenant: Tenant, id: string, secret: NewSecret) {
    const { db, organizationId } = tenant;
    const { at, ...columns } = secret;
    const { count } = await db.credential.updateMany({
      where: { organizationId, id },
      data: {
        ...columns,
        status: 'active',
        generation: { increment: 1 },
        connectedAt: at,
        refusedGeneration: null,
        forcedGeneration: null,
        failures: 0,
        retryAt: null,
        limitedUntil: null,
        lastError: null,
        lastRotatedAt: at,
        updatedAt: at,
      },
    });
    return count > 0 ? db.credential.findUniqueOrThrow({ where: { id }, select: shown }) : null;
  },

  /** Answers which one it was; null when there was none. */
  async remove({ db, organizationId }: Tenant, place: CredentialPlace) {
    const where = { organizationId, subject: subjectOf(place), kind: place.kind };
    const found = await db.credential.findFirst({ where, select: { id: true, generation: true } });
    // With its id: what was set meanwhile in its place is another one.
    const { count } = found
      ? await db.credential.deleteMany({ where: { organizationId, id: found.id } })
      : { count: 0 };
    return count > 0 ? found : null;
  },

  /** The sealed text with the generation it belongs to, read together so that neither can be of another moment. */
  sealed({ db, organizationId }: Tenant, id: string) {
    return db.credential.findFirst({
      where: { organizationId, id },
      select: { sealed: true, generation: true },
    });
  },

  /** The same secret under another key, if it is still the same; its generation stays. */
  async reseal(
    { db, organizationId }: Tenant,
    id: string,
    before: string,
    { text, keyId }: { text: string; keyId: string },
  ): Promise<boolean> {
    const { count } = await db.credential.updateMany({
      where: { organizationId, id, sealed: before },
      data: { sealed: text, keyId },
    });
    return count > 0;
  },

  /** Said to people of this login or setting; a newer one has a clean record, and one that was ended meanwhile keeps why. */
  async note(
    { db, organizationId }: Tenant,
    { id, lineage }: { id: string; lineage: string },
    lastError: string,
    at: Date,
  ): Promise<void> {
    await db.credential.updateMany({
      where: { organizationId, id, lineage, status: { not: 'rejected' } },
      data: { lastError, updatedAt: at },
    });
  },

  /** Takes the task of telling people that this login ends soon. False: somebody has, or it is another login by now. */
  async takeWarning(
    { db, organizationId }: Tenant,
    { id, lineage }: { id: string; lineage: string },
  ): Promise<boolean> {
    const { count } = await db.credential.updateMany({
      where: { organizationId, id, lineage, warnAt: { not: null }, status: { not: 'rejected' } },
      data: { warnAt: null },
    });
    return count > 0;
  },

  findById({ db, organizationId }: Tenant, id: string) {
    return db.credential.findFirst({ where: { organizationId, id }, select: shown });
  },

  /** Its plan's quota is used up. Said of the account and not of a token, so that renewing changes nothing about it. */
  async limit(
    { db, organizationId }: Tenant,
    { id, lineage }: { id: string; lineage: string },
    until: Date,
    at: Date,
  ): Promise<boolean> {
    const { count } = await db.credential.updateMany({
      where: { organizationId, id, lineage, OR: [{ limitedUntil: null }, { limitedUntil: { lt: until } }] },
      data: { limitedUntil: until, updatedAt: at },
    });
    return count > 0;
  },
};

export type CandidateRow = Awaited<ReturnType<typeof credentialsStore.candidatesAmong>>[number];
export type CredentialRow = Awaited<ReturnType<typeof credentialsStore.visibleTo>>[number];
