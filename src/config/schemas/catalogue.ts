import type * as z from "zod/mini";
import type { ByteString } from "../../../ffi/bytes.ts";
import type { Dialect } from "../model.ts";
import { checkSchema } from "./check.ts";
import { chrootshSchema } from "./chrootsh.ts";
import { initSchema } from "./init.ts";
import { lshSchema } from "./lsh.ts";
import { socketdSchema } from "./socketd.ts";
import { uchrootSchema } from "./uchroot.ts";
import { updateSchema } from "./update.ts";

/** A config file of jailkit. */
export interface ConfigKind {
  /** Its name without .ini. */
  readonly name: string;
  readonly dialect: Dialect;
  /** What its sections are named after. */
  readonly sections: "account" | "jail" | "socket" | "profile";
  readonly schema: z.ZodMiniObject;
}

/** All config files of jailkit. */
export const CONFIG_KINDS: readonly ConfigKind[] = [
  { name: "jk_check", dialect: "py", sections: "jail", schema: checkSchema },
  { name: "jk_chrootsh", dialect: "c", sections: "account", schema: chrootshSchema },
  { name: "jk_init", dialect: "py", sections: "profile", schema: initSchema },
  { name: "jk_lsh", dialect: "c", sections: "account", schema: lshSchema },
  { name: "jk_socketd", dialect: "c", sections: "socket", schema: socketdSchema },
  { name: "jk_uchroot", dialect: "c", sections: "account", schema: uchrootSchema },
  { name: "jk_update", dialect: "py", sections: "jail", schema: updateSchema },
];

/** Which config file this is, by its name (also "jk_lsh.ini.dpkg-new") or that of its drop-in directory. */
export function kindOf(file: ByteString): ConfigKind | undefined {
  const [name = "", directory = ""] = file.split("/").reverse();
  return (
    CONFIG_KINDS.find((kind) => name.startsWith(`${kind.name}.`)) ??
    CONFIG_KINDS.find((kind) => directory === `${kind.name}.d`) ??
    CONFIG_KINDS.find((kind) => name.includes(kind.name))
  );
}
