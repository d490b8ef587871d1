/** The reports of jailkit list, disk, delete, forget and adopt. */
import * as z from "zod";
import { BUSY } from "../cli/options.ts";
import {
  count,
  interruptible,
  jailPath,
  problemSchema,
  reportSchema,
  successOrFailure,
  textOrNull,
  texts,
} from "../cli/report-schema.ts";

export const jailConditionSchema = z.enum([
  "ready",
  "moved",
  "unsafe",
  "unmounted",
  "incomplete",
  "busy",
  "unrecorded",
  "emptied",
  "missing",
  "unreadable",
]);

const listedJailSchema = z.strictObject({
  path: z.string(),
  record: textOrNull,
  state: jailConditionSchema.describe(
    '"moved": its directory is at the path of another jail, or another one is at its path; "unsafe": users other than root can change what they must not; "unmounted": a directory of the host that should be mounted in it is not; "incomplete": a run that fills or updates it was stopped; "busy": a command is working on it, and it is not all there yet, or not any more; "unrecorded": it has no record; "emptied": somebody removed its contents, but not its directory and record; "missing": its directory is missing.',
  ),
  reason: textOrNull.describe("The reason if it is not ready."),
  remedy: textOrNull.describe(
    "The command that makes it ready, for a shell; null if there is no single one.",
  ),
  users: z
    .array(z.strictObject({ name: z.string(), home: z.string(), shell: z.string() }))
    .describe("Accounts that live in it."),
  moreUsers: textOrNull.describe("Why there may be more of them: a name service does not answer."),
  sections: texts.describe("The sections that jk_init was asked for."),
  files: texts.describe("The files that jk_cp was asked for."),
  entries: count.describe("Objects in its record."),
  live: texts.describe("The directories of the host that a live jail has mounted; otherwise empty."),
  sockets: texts.describe("The directories of the host that are mounted for the sockets in them."),
  lastRequest: textOrNull.describe("The time of the last request (RFC 3339)."),
});

const damagedSchema = z
  .strictObject({
    file: z.string(),
    jail: textOrNull.describe("Its jail; null if it is not known."),
    reason: z.string(),
  })
  .meta({ id: "damaged", description: "A record of a jail that cannot be used." });

export type DamagedReport = z.infer<typeof damagedSchema>;

export const listReportSchema = reportSchema("jailkit list", {
  jails: z.array(listedJailSchema),
  damagedRecords: z.array(damagedSchema),
  problems: z
    .array(problemSchema)
    .describe("Configuration files that cannot be used: jails that only these name are missing."),
}).describe("The known jails.");

/** What `jailkit list --json` prints. */
export type ListReport = z.infer<typeof listReportSchema>;
/** The condition of a jail. */
export type JailCondition = z.infer<typeof listedJailSchema>["state"];

const liveReport = (tool: "jailkit mount" | "jailkit unmount") =>
  reportSchema(tool, {
    dryRun: z.boolean(),
    jails: z.array(
      z.strictObject({
        path: z.string(),
        mounts: z.array(
          z.strictObject({
            path: jailPath.describe("The same path on the host and in the jail."),
            state: z
              .enum(["mounted", "open", "stale", "other", "missing", "absent"])
              .describe(
                '"open": it is not read-only, nosuid and nodev (noexec too, for sockets); "stale": the directory of the host was removed since; "other": something else is mounted; "absent": nothing is, because the host has no such directory now.',
              ),
            changed: z.boolean(),
          }),
        ),
      }),
    ),
    problems: z.array(problemSchema),
    exitStatus: interruptible(0, 1, BUSY),
  });

export const mountReportSchema = liveReport("jailkit mount").describe(
  "The directories of the host in jails.",
);
export const unmountReportSchema = liveReport("jailkit unmount").describe(
  "The directories of the host in jails.",
);

/** What `jailkit mount --json` and `jailkit unmount --json` print. */
export type LiveReport = z.infer<typeof mountReportSchema> | z.infer<typeof unmountReportSchema>;

const ownersSchema = z.array(
  z.strictObject({
    uid: count,
    name: textOrNull.describe("From the name services of the host; null if it is unknown."),
    objects: count.describe("Files, directories and others; each inode counts once."),
    bytes: count.describe("Their size on disk."),
  }),
);

export type OwnerReport = z.infer<typeof ownersSchema>[number];

const use = {
  files: count.describe("All but directories."),
  directories: count,
  apparent: count.describe("The sizes of the files, each inode once."),
  allocated: count.describe("Their size on disk; each shared extent counts once."),
  linked: count.describe("Of allocated: inodes with names outside the jail."),
  shared: count.describe("Of allocated: extents that other files share."),
  own: count.describe("The rest: the space that would be free without the jail."),
  users: count.describe("Of own: files of users other than root."),
  sharingKnown: z.boolean().describe("False if a file system does not report shared extents."),
};

export const diskReportSchema = reportSchema("jailkit disk", {
  jails: z.array(
    z.strictObject({
      path: z.string(),
      ...use,
      mounts: texts.describe("Other file systems in it, which are not counted."),
      unread: count.describe("Files that could not be examined."),
      owners: ownersSchema.describe("Users other than root who own files in it, by uid."),
    }),
  ),
  total: z.strictObject(use).describe("All of them; shared files and extents count once."),
  problems: z.array(problemSchema),
  exitStatus: successOrFailure,
}).describe("The disk space of jails, in bytes.");

/** What `jailkit disk --json` prints. */
export type DiskReport = z.infer<typeof diskReportSchema>;

export const deleteReportSchema = reportSchema("jailkit delete", {
  jail: z.string(),
  dryRun: z.boolean(),
  present: z.boolean().describe("Its directory was there."),
  files: count,
  bytes: count.describe("Its size on disk."),
  userBytes: count.describe("Of that, files of users other than root."),
  users: texts.describe("The users who live in it."),
  owners: ownersSchema.describe(
    "By uid, owners of deleted files, except root and users who are taken out. Unchanged files that jailkit put there do not count.",
  ),
  mounts: z.array(z.strictObject({ path: jailPath, type: z.string() })),
  steps: texts.describe("The steps that were done, one printable line each."),
  warnings: texts,
  problems: z.array(problemSchema),
  exitStatus: interruptible(0, 1, BUSY),
}).describe("What was deleted, or would be.");

/** What `jailkit delete --json` prints. */
export type DeleteReport = z.infer<typeof deleteReportSchema>;

export const forgetReportSchema = reportSchema("jailkit forget", {
  jail: z.string(),
  dryRun: z.boolean(),
  present: z.boolean().describe("Its directory is there."),
  records: texts.describe("The ids of its records."),
  users: texts.describe("The users who live in it."),
  steps: texts.describe("The steps that were done, one printable line each."),
  warnings: texts,
  problems: z.array(problemSchema),
  exitStatus: interruptible(0, 1),
}).describe("What was forgotten, or would be.");

/** What `jailkit forget --json` prints. */
export type ForgetReport = z.infer<typeof forgetReportSchema>;

export const adoptionReportSchema = reportSchema("jailkit adopt", {
  jail: z.string(),
  dryRun: z.boolean(),
  sections: z.array(
    z.strictObject({
      name: z.string(),
      lacking: texts.describe("Paths that it asks for and that the jail lacks."),
    }),
  ),
  files: z.array(
    z.strictObject({
      path: z.string(),
      owner: z.boolean().describe("With the host's owner."),
      setuid: z.boolean().describe("With setuid and setgid."),
    }),
  ),
  hardlink: z.boolean().describe("Its files are hard links of the host's."),
  entries: count.describe("The number of entries in the new record."),
  damagedRecords: z
    .array(damagedSchema.extend({ keptAs: z.string().describe("The name that it has now, or would have.") }))
    .describe("Damaged records of the jail that --force replaces."),
  unexplained: z.array(z.strictObject({ path: jailPath, reason: z.string() })),
  left: texts.describe(
    "Directories of the host for which a jail of before has left lines in /etc/fstab: this one has no place for them.",
  ),
  problems: z.array(problemSchema),
  exitStatus: successOrFailure,
});

const moveReportSchema = reportSchema("jailkit adopt", {
  moved: z.string().describe("The old path of the jail."),
  jail: z.string().describe("Its new path."),
  dryRun: z.boolean(),
  users: texts.describe("The accounts whose homes follow it."),
  directoryUsers: z
    .array(z.strictObject({ name: z.string(), home: z.string().describe("What the directory should have.") }))
    .describe("Those that are not in /etc/passwd, and of which a directory such as LDAP has the old path."),
  moreUsers: textOrNull.describe("Why there may be more of these: a name service does not answer."),
  files: texts.describe(
    "The files that name its old path: of the configuration, and that of what jailkit apply has made.",
  ),
  problems: z.array(problemSchema),
  exitStatus: successOrFailure,
}).describe("--moved");

export const adoptAllReportSchema = reportSchema("jailkit adopt", {
  dryRun: z.boolean(),
  jails: z
    .array(
      z.strictObject({
        jail: z.string(),
        sections: texts,
        lacking: texts.describe("The sections of which the jail lacks something."),
        files: count.describe("The number of files that count as copied by jk_cp."),
        entries: count.describe("The number of entries in the new record."),
        unexplained: count,
        problems: z.array(problemSchema),
      }),
    )
    .describe("Those that had no record."),
  problems: z.array(problemSchema).describe("Jails that got no record."),
  exitStatus: interruptible(0, 1, BUSY),
}).describe("--all");

export const adoptReportSchema = z
  .union([adoptionReportSchema, adoptAllReportSchema, moveReportSchema])
  .describe("The contents of an adopted jail, or of all, or the changes for one that was moved.");

/** What `jailkit adopt --json` prints, and the same with --moved. */
export type AdoptionReport = z.infer<typeof adoptionReportSchema>;
export type AdoptAllReport = z.infer<typeof adoptAllReportSchema>;
export type MoveReport = z.infer<typeof moveReportSchema>;
