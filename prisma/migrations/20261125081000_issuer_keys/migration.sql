-- CreateTable
CREATE TABLE "issuer_key" (
    "id" UUID NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "public_jwk" JSONB NOT NULL,
    "sealed" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "signs_from" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "issuer_key_pkey" PRIMARY KEY ("id")
);

-- CreateIndex: whoever comes second with the same number made a key for nothing.
CREATE UNIQUE INDEX "issuer_key_ordinal_key" ON "issuer_key"("ordinal");

-- CreateIndex
CREATE INDEX "issuer_key_key_id_idx" ON "issuer_key"("key_id");


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

-- Of the instance, and so of the system's login alone. Nothing of a key changes but the key it is sealed with.
ALTER TABLE "issuer_key" ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON "issuer_key" TO berth_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON "issuer_key" TO berth_system;
GRANT UPDATE (sealed, key_id) ON "issuer_key" TO berth_system;
CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "issuer_key" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
