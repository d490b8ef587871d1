import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import {
  becomeGroup,
  becomeUser,
  capabilities,
  dropAllCapabilities,
  groupIds,
  isOnlyGroup,
  isOnlyUser,
  keepOverSetuid,
  limitBoundingSet,
  raiseAmbient,
  setCapabilities,
  setSupplementaryGroups,
  userIds,
} from "../../../ffi/process.ts";
import { quoted } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { groupByGid, groupByName, groupIdsOf, passwdByName, passwdByUid } from "../../system/accounts.ts";
import { splitHome } from "../../system/separator.ts";
import { type CapabilitySet, capabilityNames } from "./capabilities.ts";

/** The ids of the program. */
export interface LaunchIds {
  uid: number;
  gid: number;
  /** The supplementary groups. */
  groups: readonly number[];
  /** The home of a user, as the jail sees it. */
  home?: ByteString | undefined;
}

// The last one means "leave it alone" to setresuid(2).
const LARGEST_ID = 0xfffffffe;

/** A numeric id; undefined for a name. Throws JailkitError (1) if it is too large. */
function numericId(text: ByteString, what: string): number | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  if (id <= LARGEST_ID) return id;
  throw new JailkitError("bad-id", 1, `${quoted(text)} is too large for a ${what} id`);
}

const unknown = (what: "user" | "group", text: ByteString) =>
  new JailkitError(`unknown-${what}`, 1, `there is no ${what} ${quoted(text)} on this machine`);

/**
 * The ids for -u and -g. A user brings the primary group, unless another is given, and the supplementary groups; without
 * a user there are no supplementary groups. Ids that are not given stay. Throws JailkitError (1) for unknown names.
 */
export function resolveIds(user: ByteString | undefined, group: ByteString | undefined): LaunchIds {
  let uid = userIds()[1];
  let gid = groupIds()[1];
  let name: ByteString | undefined;
  let home: ByteString | undefined;
  if (user !== undefined) {
    const number = numericId(user, "user");
    const entry = number === undefined ? passwdByName(user) : passwdByUid(number);
    if (entry === undefined) throw unknown("user", user);
    ({ uid, gid, name } = entry);
    home = splitHome(entry.home)?.home ?? entry.home;
  }
  if (group !== undefined) {
    const number = numericId(group, "group");
    const entry = number === undefined ? groupByName(group) : groupByGid(number);
    if (entry === undefined) throw unknown("group", group);
    gid = entry.gid;
  }
  return { uid, gid, groups: name === undefined ? [] : groupIdsOf(name, gid), home };
}

function step(exitStatus: number, what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw new JailkitError("ids", exitStatus, `${what}: ${describeError(error)}`);
  }
}

function requirePermitted(kept: CapabilitySet): void {
  const lost = capabilityNames(kept & ~capabilities().permitted);
  if (lost.length === 0) return;
  throw new JailkitError(
    "no-capability",
    39,
    `${lost.join(", ")} cannot be kept: this process does not have it`,
  );
}

/**
 * Sets the ids for good, and drops all capabilities but `kept`, in every set, also the bounding set. If `kept` is
 * undefined, the bounding set stays; root keeps the other sets, and any other user loses them. Throws JailkitError: 37 for
 * groups, 39 for the user and the capabilities.
 */
export function takeIds({ uid, gid, groups }: LaunchIds, kept: CapabilitySet | undefined): void {
  step(37, `setting the supplementary groups to ${groups.join(" ") || "none"} failed`, () =>
    setSupplementaryGroups(groups),
  );
  step(37, `setgid(${gid}) failed`, () => becomeGroup(gid));
  if (kept !== undefined) {
    requirePermitted(kept);
    step(39, "reducing the bounding set failed", () => limitBoundingSet(kept));
    step(39, "keeping capabilities failed", () => keepOverSetuid(uid !== 0));
  }
  step(39, `setuid(${uid}) failed`, () => becomeUser(uid));
  if (kept === undefined) {
    if (uid === 0) return;
    step(39, "dropping the capabilities failed", dropAllCapabilities);
    if (isOnlyUser(uid) && isOnlyGroup(gid)) return;
    throw new JailkitError("ids", 39, "the ids of root came back after they were given up");
  }
  step(39, "dropping the other capabilities failed", () => {
    // The ambient set is limited by the inheritable one.
    setCapabilities({ effective: kept, permitted: kept, inheritable: uid === 0 ? 0n : kept });
    // For root, execve(2) sets them within the bounding set.
    if (uid !== 0) raiseAmbient(kept);
    keepOverSetuid(false);
  });
}
