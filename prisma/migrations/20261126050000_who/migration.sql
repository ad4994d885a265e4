-- Who somebody at another system is may be found by an address that a member proved: the organization sees of its members whether they did.
GRANT SELECT (email_verified_at) ON "user" TO berth_app;

-- Work that no person asked for is served by the organization's own credentials, and never by those of the owner who stands for it.
ALTER TABLE "workspace" ADD COLUMN "organization_only" BOOLEAN NOT NULL DEFAULT false;
