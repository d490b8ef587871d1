import type { BasicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../../ffi/constants.ts";
import type { Dependency } from "../../src/libraries/dependency.ts";
import type { Plan, Want } from "../../src/populate/entry.ts";
import { emptyFileSystem, type FileSystem } from "../../src/populate/file-system.ts";
import { makePlan } from "../../src/populate/plan/plan.ts";
import type { AclReading } from "../../src/system/acl.ts";

/** One object of a file system that is only data. */
export type Thing =
  | {
      type: "file" | "directory" | "fifo";
      mode?: number;
      uid?: number;
      gid?: number;
      size?: number;
      acl?: AclReading;
    }
  | { type: "link"; target: ByteString; uid?: number }
  | { type: "char" | "block"; major: number; minor: number; mode?: number };

/** Objects by path; "" as a value is an ordinary file, a value that begins with "->" a link. Parents are made. */
export type Tree = Record<ByteString, Thing | string>;

const TYPES = {
  file: S_IFREG,
  directory: S_IFDIR,
  link: S_IFLNK,
  fifo: S_IFIFO,
  char: S_IFCHR,
  block: S_IFBLK,
};

/** A file system made of data, which follows links as path_resolution(7) says. */
export function fakeFileSystem(tree: Tree): FileSystem {
  const things = new Map<ByteString, Thing>([["", { type: "directory" }]]);
  for (const [path, value] of Object.entries(tree)) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const parent = path.slice(0, at);
      if (!things.has(parent)) things.set(parent, { type: "directory" });
    }
    const thing: Thing =
      typeof value !== "string"
        ? value
        : value.startsWith("->")
          ? { type: "link", target: value.slice(2) }
          : { type: "file" };
    things.set(path, thing);
  }
  const inodes = new Map([...things.keys()].map((path, index) => [path, index + 2]));

  function resolve(path: ByteString, last: boolean): ByteString | undefined {
    const pending = path.split("/").filter(Boolean).reverse();
    let at = "";
    for (let links = 0; pending.length > 0; ) {
      const part = pending.pop();
      if (part === undefined || part === ".") continue;
      if (part === "..") {
        at = at.slice(0, Math.max(at.lastIndexOf("/"), 0));
        continue;
      }
      const next = `${at}/${part}`;
      const thing = things.get(next);
      if (thing === undefined) return undefined;
      if (thing.type === "link" && (pending.length > 0 || last)) {
        if (++links > 40) return undefined;
        if (thing.target.startsWith("/")) at = "";
        pending.push(...thing.target.split("/").filter(Boolean).reverse());
      } else at = next;
    }
    return at;
  }

  function look(path: ByteString, follow: boolean): BasicStat | undefined {
    const real = resolve(path, follow);
    const thing = real === undefined ? undefined : things.get(real);
    if (real === undefined || thing === undefined) return undefined;
    const usual = thing.type === "directory" ? 0o755 : thing.type === "link" ? 0o777 : 0o644;
    const mode = "mode" in thing && thing.mode !== undefined ? thing.mode : usual;
    return {
      mode: TYPES[thing.type] | mode,
      uid: "uid" in thing ? (thing.uid ?? 0) : 0,
      gid: "gid" in thing ? (thing.gid ?? 0) : 0,
      size: "size" in thing ? (thing.size ?? 0) : 0,
      devMajor: 8,
      devMinor: 1,
      inoLow: inodes.get(real) ?? 1,
      inoHigh: 0,
      rdevMajor: "major" in thing ? thing.major : 0,
      rdevMinor: "minor" in thing ? thing.minor : 0,
      atimeSeconds: 1,
      atimeNanoseconds: 2,
      mtimeSeconds: 3,
      mtimeNanoseconds: 4,
      ctimeSeconds: 5,
      ctimeNanoseconds: 6,
    };
  }

  return {
    lstat: (path) => look(path, false),
    stat: (path) => look(path, true),
    withheld: emptyFileSystem.withheld,
    acl: (path, follow = false) => {
      const thing = things.get(resolve(path, follow) ?? "none");
      return thing !== undefined && "acl" in thing ? (thing.acl ?? "none") : "none";
    },
    readlink(path) {
      const thing = things.get(resolve(path, false) ?? "none");
      if (thing?.type !== "link") throw new Error(`${path}: not a link`);
      return thing.target;
    },
    names: namesIn,
    list: (path) =>
      namesIn(path).flatMap((name) => {
        const child = `${path}/${name}`;
        const stat = look(child, false);
        return stat ? [{ path: child, stat }] : [];
      }),
  };

  function namesIn(path: ByteString): ByteString[] {
    const real = resolve(path, true) ?? "none";
    const names = [...things.keys()].flatMap((each) => {
      const name = each.slice(real.length + 1);
      return each !== "" && each.startsWith(`${real}/`) && !name.includes("/") ? [name] : [];
    });
    return names.sort();
  }
}

/** A want for a path, as a section "s" has it, with changes. */
export function want(pattern: ByteString, changes: Partial<Want> = {}): Want {
  return {
    pattern,
    written: pattern,
    section: "s",
    keepOwner: false,
    keepSetuid: false,
    glob: false,
    kind: "any",
    ...changes,
  };
}

/** What a test plans: wants, or their paths; what the jail holds; what needs what. */
export interface PlanCase {
  host: Tree;
  jail?: Tree;
  wants: readonly (Want | ByteString)[];
  force?: boolean;
  /** What programs need, or what is wrong with them. */
  needs?: Record<ByteString, Dependency[] | Error>;
}

/** The plan for a case; the jail is /jail. */
export function planOf({ host, jail, wants, force = false, needs = {} }: PlanCase): Plan {
  return makePlan({
    host: fakeFileSystem(host),
    jail: jail ? fakeFileSystem(jail) : emptyFileSystem,
    jailPath: "/jail",
    wants: wants.map((each) => (typeof each === "string" ? want(each) : each)),
    force,
    loader: {
      dependencies(path) {
        const found = needs[path] ?? [];
        if (found instanceof Error) throw found;
        return found;
      },
      configurationFiles: () => (host["/etc/ld.so.conf"] === undefined ? [] : ["/etc/ld.so.conf"]),
    },
  });
}

/** A plan in short: "create file /usr/bin/x 0755", "keep symlink /bin -> usr/bin". */
export function lines(plan: Plan): string[] {
  return plan.entries.map(({ action, type, path, mode, target }) => {
    const rest = target === undefined ? mode.toString(8).padStart(4, "0") : `-> ${target}`;
    return `${action} ${type} ${path} ${rest}`;
  });
}
