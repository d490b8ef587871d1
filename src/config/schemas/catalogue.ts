import type { ByteString } from "../../../ffi/bytes.ts";
import type { KeyTable } from "../keys.ts";
import type { Dialect } from "../model.ts";
import { checkKeys } from "./check.ts";
import { chrootshKeys } from "./chrootsh.ts";
import { initKeys } from "./init.ts";
import { jailsKeys } from "./jails.ts";
import { lshKeys } from "./lsh.ts";
import { socketdKeys } from "./socketd.ts";
import { uchrootKeys } from "./uchroot.ts";
import { updateKeys } from "./update.ts";

/** A config file of jailkit. */
export interface ConfigKind {
  /** Its name without .ini. */
  readonly name: string;
  readonly dialect: Dialect;
  /** Sections have the name of: */
  readonly sections: "account" | "jail" | "socket" | "profile" | "declaration";
  readonly keys: KeyTable;
}

/** All config files of jailkit. */
export const CONFIG_KINDS: readonly ConfigKind[] = [
  { name: "jk_check", dialect: "py", sections: "jail", keys: checkKeys },
  { name: "jk_chrootsh", dialect: "c", sections: "account", keys: chrootshKeys },
  { name: "jk_init", dialect: "py", sections: "profile", keys: initKeys },
  { name: "jk_lsh", dialect: "c", sections: "account", keys: lshKeys },
  { name: "jk_socketd", dialect: "c", sections: "socket", keys: socketdKeys },
  { name: "jk_uchroot", dialect: "c", sections: "account", keys: uchrootKeys },
  { name: "jk_update", dialect: "py", sections: "jail", keys: updateKeys },
  { name: "jails", dialect: "plain", sections: "declaration", keys: jailsKeys },
];

/** The kind of a config file, by its name (also "jk_lsh.ini.dpkg-new") or that of its drop-in directory. */
export function kindOf(file: ByteString): ConfigKind | undefined {
  const [name = "", directory = ""] = file.split("/").reverse();
  return (
    CONFIG_KINDS.find((kind) => name.startsWith(`${kind.name}.`)) ??
    CONFIG_KINDS.find((kind) => directory === `${kind.name}.d`) ??
    CONFIG_KINDS.find((kind) => name.includes(kind.name))
  );
}

/** The jail that a config file is in: /srv/jail for /srv/jail/etc/jailkit/jk_lsh.ini; undefined for one of the host. */
export const jailOf = (file: ByteString): ByteString | undefined =>
  /^(\/.*)\/etc\/jailkit\/[^/]+(\/[^/]+)?$/.exec(file)?.[1];
