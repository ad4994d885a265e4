-- With the conversation its asks would go, by which it is known what was done already: a session that is open at Linear would be begun anew.
ALTER TABLE "conversation" DROP CONSTRAINT "conversation_organization_id_workspace_id_fkey";
