import { display } from "../cli/display.ts";
import { describedBy } from "../config/keys.ts";
import { findEntry, type Place, valuePlace } from "../config/model.ts";
import { policyKeys } from "../config/schemas/jails.ts";
import { listItems } from "../config/values.ts";
import { type Change, type Fault, nameOf } from "./change.ts";
import type { JailWork } from "./compare/work.ts";
import type { DeclaredPlace } from "./model.ts";

/** The keys that codes of faults are about, whoever finds them. */
const BY_CODE: Readonly<Record<string, string>> = {
  "in-another-jail": "jail",
  "bad-shell": "shell",
  "bad-home": "home",
  "foreign-home": "home",
  "home-differs": "home",
  "unsafe-parent": "home",
  "bad-uid": "uid",
  "kept-home": "uid",
  "no-id": "uid",
  "uid-changed": "uid",
  "uid-differs": "uid",
  "uid-taken": "uid",
  "no-such-group": "groups",
  "not-local-group": "groups",
  "bad-key": "authorized_keys",
  "keys-not-written": "authorized_keys",
  local: "directory",
  "no-such-user": "directory",
  "not-local": "directory",
  "waits-for-jail": "jail",
  "no-such-jail": "jail",
  "include-cycle": "sections",
  "no-such-section": "sections",
  "nothing-found": "sections",
  "no-such-path": "files",
  "live-obstacle": "live",
  "live-source": "live",
  "log-socket": "log_socket",
  "proc-busy": "proc",
  "proc-untrusted": "proc",
};

/** The keys that declare what differs. An account, and a line in the jail, are due to the whole section. */
const BY_ASPECT: Readonly<Record<Change["what"], string | undefined>> = {
  ...{ sections: "sections", files: "files", live: "live", mounts: "live", proc: "proc" },
  ...{ "log-socket": "log_socket", jail: undefined, account: undefined, entry: undefined, policy: undefined },
  ...{
    home: "home",
    "home-mode": undefined,
    shell: "shell",
    comment: "comment",
    groups: "groups",
    keys: "authorized_keys",
  },
};

/** What has gone wrong: a fault, or a change that could not be made. */
type Wrong = Partial<Pick<Fault, "code" | "due">> & { readonly what?: Change["what"] };

/** The place of the key, or of the item, that is at fault; of the header if none is, or the section has no such key. Pure. */
export function placeOfFault(place: DeclaredPlace, { code, due, what }: Wrong): Place {
  const { file, line, column, section } = place;
  const rights = section?.entries.filter((one) => typeof describedBy(policyKeys, one.key) === "object") ?? [];
  const isOfRights = what === "policy" || code === "policy-exists";
  // Of several rights no one is to blame.
  const right = isOfRights && rights.length === 1 ? rights[0]?.key : undefined;
  const keys = [due?.key, code && BY_CODE[code], what && BY_ASPECT[what], right];
  const entry = keys.map((key) => key && findEntry(section, key)).find((one) => typeof one === "object");
  if (entry === undefined) return { file, line, column };
  const item =
    due?.item !== undefined && due.key === entry.key
      ? listItems(entry).find(({ value }) => value === due.item)
      : undefined;
  return item === undefined ? valuePlace(entry) : { file: item.file, line: item.line, column: item.column };
}

/** What a user waits for because of a fault: the jail, or the key with the item of its list, else the code. Printable. */
export function waitsBy({ of, name, code, due, cause }: Fault): string {
  if (cause !== undefined) return nameOf(cause);
  const item = due?.item === undefined ? "" : ` ${display(due.item)}`;
  return `${nameOf({ of, name })}: ${due?.key ?? BY_CODE[code] ?? code}${item}`;
}

/** A place, printable. */
export const placeText = ({ file, line, column }: Place): string => `${display(file)}:${line}:${column}`;

/** Where jails and users are declared. */
export class Places {
  readonly #places = new Map<string, DeclaredPlace>();

  /** Adds jails with their users; returns those that count, by nameOf. */
  add(jails: readonly JailWork[]): string[] {
    const put = (about: string, place: DeclaredPlace) => {
      this.#places.set(about, place);
      return about;
    };
    return jails.flatMap(({ declared, path, users, fault }) => {
      const about = nameOf({ of: "jail", name: path });
      const [first] = users;
      const place =
        declared?.place ?? (first && placeOfFault(first.declared.place, { due: { key: "jail" } }));
      if (place !== undefined) put(about, place);
      // A jail that no section declares is as good as declared, unless it cannot be used: then that is due to its users.
      const counts = declared !== undefined || fault !== undefined;
      const ofUsers = users.map((user) => put(nameOf({ of: "user", ...user.declared }), user.declared.place));
      return counts ? [about, ...ofUsers] : ofUsers;
    });
  }

  /** Where what a fault or a change is due to is declared; undefined if that is nowhere. */
  of(wrong: Pick<Fault, "of" | "name"> & Wrong): Place | undefined {
    const place = this.#places.get(nameOf(wrong));
    return place && placeOfFault(place, wrong);
  }
}
