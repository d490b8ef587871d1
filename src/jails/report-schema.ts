/** The reports of jailkit list, disk, delete and adopt. */
import * as z from "zod";
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

const listedJailSchema = z.strictObject({
  path: z.string(),
  record: textOrNull,
  state: z
    .enum(["ready", "unsafe", "incomplete", "unrecorded", "missing", "unreadable"])
    .describe(
      '"unsafe": users other than root can change what they must not; "incomplete": an update was cut short; "unrecorded": it has no record; "missing": its directory is missing.',
    ),
  reason: textOrNull.describe("Why it is not ready."),
  users: z
    .array(z.strictObject({ name: z.string(), home: z.string(), shell: z.string() }))
    .describe("Accounts that live in it."),
  sections: texts.describe("What jk_init was asked for."),
  files: texts.describe("What jk_cp was asked for."),
  entries: count.describe("Objects in its record."),
  lastRequest: textOrNull.describe("When something was last asked for (RFC 3339)."),
});

export const listReportSchema = reportSchema("jailkit list", { jails: z.array(listedJailSchema) }).describe(
  "The known jails.",
);

/** What `jailkit list --json` prints. */
export type ListReport = z.infer<typeof listReportSchema>;
/** What a jail is fit for. */
export type JailCondition = z.infer<typeof listedJailSchema>["state"];

const ownersSchema = z.array(
  z.strictObject({
    uid: count,
    name: textOrNull.describe("As the name services of the host know it; null where they do not."),
    objects: count.describe("Files, directories and all else, each inode once."),
    bytes: count.describe("What they take on the disk."),
  }),
);

export type OwnerReport = z.infer<typeof ownersSchema>[number];

const use = {
  files: count.describe("All but directories."),
  directories: count,
  apparent: count.describe("The sizes of the files, each inode once."),
  allocated: count.describe("What they take on the disk, each piece of it once."),
  linked: count.describe("Of allocated: inodes with names outside of the jail."),
  shared: count.describe("Of allocated: pieces that other files have too."),
  own: count.describe("The rest: what would be free without the jail."),
  users: count.describe("Of own: what belongs to users other than root."),
  sharingKnown: z.boolean().describe("False where a file system does not report which pieces are shared."),
};

export const diskReportSchema = reportSchema("jailkit disk", {
  jails: z.array(
    z.strictObject({
      path: z.string(),
      ...use,
      mounts: texts.describe("Other file systems in it, which are not counted."),
      unread: count.describe("What could not be examined."),
      owners: ownersSchema.describe("What belongs to users other than root, by uid."),
    }),
  ),
  total: z.strictObject(use).describe("All of them; what several share is counted once."),
  problems: z.array(problemSchema),
  exitStatus: successOrFailure,
}).describe("What jails cost on the disk, in bytes.");

/** What `jailkit disk --json` prints. */
export type DiskReport = z.infer<typeof diskReportSchema>;

export const deleteReportSchema = reportSchema("jailkit delete", {
  jail: z.string(),
  dryRun: z.boolean(),
  present: z.boolean().describe("Its directory was there."),
  files: count,
  bytes: count.describe("What it took on the disk."),
  userBytes: count.describe("Of that, what belonged to users other than root."),
  users: texts.describe("Who lives in it."),
  owners: ownersSchema.describe(
    "By uid, what is deleted of users other than root and those who are taken out. What jailkit put there is left out.",
  ),
  mounts: z.array(z.strictObject({ path: jailPath, type: z.string() })),
  steps: texts.describe("What was done, a printable line each."),
  warnings: texts,
  problems: z.array(problemSchema),
  exitStatus: interruptible(0, 1),
}).describe("What was deleted, or would be.");

/** What `jailkit delete --json` prints. */
export type DeleteReport = z.infer<typeof deleteReportSchema>;

export const adoptionReportSchema = reportSchema("jailkit adopt", {
  jail: z.string(),
  dryRun: z.boolean(),
  sections: z.array(
    z.strictObject({
      name: z.string(),
      lacking: texts.describe("What it asks for and the jail does not have."),
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
  entries: count.describe("Objects that are recorded now."),
  unexplained: z.array(z.strictObject({ path: jailPath, reason: z.string() })),
  problems: z.array(problemSchema),
  exitStatus: successOrFailure,
});

const moveReportSchema = reportSchema("jailkit adopt", {
  moved: z.string().describe("Where the jail was."),
  jail: z.string().describe("Where it is."),
  dryRun: z.boolean(),
  users: texts.describe("The accounts whose homes follow it."),
  files: texts.describe("The files that named its old path."),
  problems: z.array(problemSchema),
  exitStatus: successOrFailure,
}).describe("--moved");

export const adoptReportSchema = z
  .union([adoptionReportSchema, moveReportSchema])
  .describe("What was found out about a jail, or what follows it to its new path.");

/** What `jailkit adopt --json` prints, and the same with --moved. */
export type AdoptionReport = z.infer<typeof adoptionReportSchema>;
export type MoveReport = z.infer<typeof moveReportSchema>;
