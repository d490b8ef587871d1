import { describe } from "../src/config/schema.ts";
import { chrootshSchema } from "../src/config/schemas/chrootsh.ts";
import { initSchema } from "../src/config/schemas/init.ts";
import { lshSchema } from "../src/config/schemas/lsh.ts";
import { uchrootSchema } from "../src/config/schemas/uchroot.ts";

const TARGET = new URL("../src/config/login-tables.ts", import.meta.url).pathname;

function table(name: string, file: string, schema: Parameters<typeof describe>[0]): string {
  const rows = Object.entries(describe(schema)).map(
    ([key, { kind, security }]) => `  ${key}: { kind: "${kind}", security: ${security} },\n`,
  );
  return `\n/** The keys of ${file}. */\nexport const ${name} = {\n${rows.join("")}} as const;\n`;
}

/**
 * The source text of src/config/login-tables.ts: what the schemas say of the keys that are read on the path of a
 * login and by jk_init, as plain objects, so that neither zod nor ini is loaded there.
 */
export function generateLoginTables(): string {
  return (
    "// Written by build/generate-login-tables.ts from the schemas: change those, and run it again.\n" +
    table("chrootshKeys", "jk_chrootsh.ini", chrootshSchema) +
    table("lshKeys", "jk_lsh.ini", lshSchema) +
    table("uchrootKeys", "jk_uchroot.ini", uchrootSchema) +
    table("initKeys", "jk_init.ini", initSchema)
  );
}

if (import.meta.main) await Bun.write(TARGET, generateLoginTables());
