import type { ByteString } from "../../ffi/bytes.ts";
import type { Shape, ValueOf } from "../transfer/shape.ts";

// The path of a file, and of a jail, may have control characters.
const text = { kind: "text", longest: 1 << 14, controls: true } as const satisfies Shape;
const many = { kind: "list", of: text, most: 1 << 16 } as const satisfies Shape;
const uid = { kind: "number", least: 1, most: 0xffff_fffe, whole: true } as const satisfies Shape;

const day = { kind: "number", least: 0, most: 1_000_000_000, whole: true } as const satisfies Shape;

/** The form of what is remembered of declarations. */
export const ONCE = {
  kind: "object",
  fields: {
    jails: {
      kind: "list",
      most: 1 << 16,
      of: {
        kind: "object",
        fields: {
          path: text,
          // The one that declares it.
          file: text,
          // Which directory it was, as jailIdOf; undefined while it is being made, or if that is not known.
          directoryId: { kind: "nullable", of: text, optional: true },
          // Where it was before it was moved; undefined if that is not known, as of a jail that an earlier version knew.
          formerly: { kind: "nullable", of: many, optional: true },
          sections: many,
          files: many,
          live: many,
          logSocket: { kind: "flag" },
          proc: { kind: "flag" },
        },
      },
    },
    users: {
      kind: "list",
      most: 1 << 20,
      of: {
        kind: "object",
        fields: {
          name: text,
          file: text,
          jail: text,
          directory: { kind: "flag" },
          // Of the account that apply created; an account of that name with another uid is not it.
          created: { kind: "nullable", of: uid },
          // The day of its password field, in days since 1970; undefined if that is not known.
          createdDay: { kind: "nullable", of: day, optional: true },
          // As the account had it when that home was created, or moved last; undefined if apply did not create it.
          createdHome: { kind: "nullable", of: text },
          // Which directory the home of the account was, as homeIdOf; undefined if that is not known.
          homeId: { kind: "nullable", of: text, optional: true },
          // Of an account that apply did not create, or of a directory; undefined if that is not known.
          uid: { kind: "nullable", of: uid, optional: true },
          // The name by which the record of the jail has an account that apply did not create, if it has another one since.
          recordedAs: { kind: "nullable", of: text, optional: true },
          // By which names the account was declared before it was renamed; undefined for none, or if that is not known.
          formerly: { kind: "nullable", of: many, optional: true },
          // Somebody has taken the account out of its jail, and it was told that it stays; or it is there, and --prune has taken
          // it out of the files of the jail.
          out: { kind: "flag" },
          limited: { kind: "flag" },
          policy: { kind: "flag" },
          // The same for the other shell, from before it was exchanged.
          otherPolicy: { kind: "flag" },
          groups: many,
          // Which of the machine they were when they were given; none of those that an earlier version gave.
          groupIds: {
            kind: "list",
            most: 1 << 16,
            optional: true,
            of: { kind: "object", fields: { name: text, gid: { ...uid, least: 0 } } },
          },
          // Of each a sum.
          keys: many,
          // A run has taken them from an account that leaves: they are looked for again, and need not be found.
          keysTaken: { kind: "nullable", of: { kind: "flag" }, optional: true },
          // Jails that it was declared in before; `policy`: apply wrote its section of jk_lsh.ini there.
          left: {
            kind: "list",
            most: 1 << 10,
            of: { kind: "object", fields: { jail: text, policy: { kind: "flag" } } },
          },
        },
      },
    },
    // Homes without an account: a new one must not get such a uid by chance.
    kept: {
      kind: "list",
      most: 1 << 20,
      of: {
        kind: "object",
        fields: {
          // Of the account that had it; the home is as passwd(5) had it.
          ...{ name: text, uid, home: text },
          // Apply created it, so that it may go with its jail; undefined if it did not, or if that is not known.
          created: { kind: "nullable", of: { kind: "flag" }, optional: true },
          // In which directory it is, or which one the whole jail is, as jailIdOf; undefined if that is not known.
          directoryId: { kind: "nullable", of: text, optional: true },
          // That one is on a file system that is mounted in the jail.
          isMounted: { kind: "nullable", of: { kind: "flag" }, optional: true },
          // It was not in its place when its account was removed: it may be elsewhere, also when its jail is gone.
          isLost: { kind: "nullable", of: { kind: "flag" }, optional: true },
        },
      },
    },
    // Accounts that useradd(8) is about to create, or that one of a run which was killed has created.
    creating: {
      kind: "list",
      most: 1 << 20,
      optional: true,
      of: {
        kind: "object",
        // `mark`: its first password field, which no other account has; `password`: the one that it gets then.
        fields: { name: text, mark: text, password: text, createdHome: { kind: "nullable", of: text } },
      },
    },
  },
} as const satisfies Shape;

/** What was declared once. */
export type Once = Omit<AsRead, "kept"> & { readonly kept: readonly KeptHome[] };
type AsRead = ValueOf<typeof ONCE>;
export type OnceJail = Once["jails"][number];
export type OnceUser = Once["users"][number];
export type LeftJail = OnceUser["left"][number];
export type GroupId = OnceUser["groupIds"][number];
export type KeptHome = Omit<AsRead["kept"][number], "isMounted" | "isLost"> & {
  readonly isMounted?: boolean | undefined;
  readonly isLost?: boolean | undefined;
};
export type Creating = Once["creating"][number];

/** The uid of an account that was declared; undefined if it is not known. */
export const uidOf = (once: OnceUser | undefined): number | undefined => once?.created ?? once?.uid;

/** The name by which the record of the jail has an account that was there before apply; undefined for others. */
export const recordedNameOf = ({ created, directory, recordedAs, name }: OnceUser): ByteString | undefined =>
  created === undefined && !directory ? (recordedAs ?? name) : undefined;
