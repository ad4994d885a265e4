-- AlterTable
ALTER TABLE "organization" ADD COLUMN     "egress_decided" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "egress_hosts" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

-- As the route checks it: a list of nobody knows how many entries would slow every proxy down.
ALTER TABLE "organization" ADD CONSTRAINT "organization_egress_hosts" CHECK (cardinality("egress_hosts") <= 200);
