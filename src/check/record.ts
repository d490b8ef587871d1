import type { ByteString } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { JailkitError, problemFrom } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { type ManifestContent, openManifest, REGISTRY } from "../jail/record/manifest.ts";
import { RecordError } from "../jail/record/record-file.ts";
import { loadVerified, saveVerified, type Verified, type VerifiedFiles } from "../jail/record/verified.ts";
import { type CheckFinding, type CheckProblem, unreadable } from "./rules.ts";

/** The record of a jail, which is outside the jail. */
export interface JailRecord {
  readonly id: ByteString | undefined;
  /** Undefined for a jail that has none, such as one of jailkit 2. */
  readonly content: ManifestContent | undefined;
  readonly verified: VerifiedFiles;
  readonly findings: readonly CheckFinding[];
  readonly problems: readonly CheckProblem[];
}

/** The sections that were requested for the jail. */
export function recordedSections({ requests, entries }: ManifestContent): ByteString[] {
  const sections = new Set(requests.flatMap((request) => request.sections));
  const requested = new Set(requests.flatMap(({ operands }) => operands));
  for (const entry of entries.values())
    for (const section of entry.sections) if (!requested.has(section)) sections.add(section);
  return [...sections].filter((name) => !name.startsWith("/")).sort();
}

/** Reads the record of a jail; an unusable one is a finding. */
export function readRecord(root: JailRoot): JailRecord {
  const nothing = { id: undefined, content: undefined, verified: new Map(), problems: [], findings: [] };
  try {
    const { id, content } = openManifest(root);
    const kept = content.requests.length > 0 || content.entries.size > 0;
    return { ...nothing, id, content: kept ? content : undefined, verified: loadVerified(REGISTRY, id) };
  } catch (error) {
    const file = error instanceof RecordError ? error.file : REGISTRY;
    const problem = unreadable(file, error, "the record of the jail cannot be used: ");
    // Users other than root can never read it.
    if (!(error instanceof JailkitError) || libc.geteuid() !== 0) return { ...nothing, problems: [problem] };
    const remedy = error.remedy || `jailkit adopt --force ${shellWord(root.path)}`;
    const { path, message } = problem;
    return { ...nothing, findings: [{ rule: "registry-unsafe", path, message, remedy }] };
  }
}

/**
 * Saves the list of files that are equal to the host's, for the next check. Only root can; nothing else depends on it.
 */
export function keepVerified(record: JailRecord, files: VerifiedFiles): CheckProblem[] {
  if (record.id === undefined || libc.geteuid() !== 0) return [];
  // Most are the very objects of the record, since nothing was read again.
  const isKnown = ([path, file]: readonly [ByteString, Verified]) =>
    file === record.verified.get(path) || Bun.deepEquals(file, record.verified.get(path));
  if (files.size === record.verified.size && [...files].every(isKnown)) return [];
  try {
    saveVerified(REGISTRY, record.id, files);
    return [];
  } catch (error) {
    const before = "the verified files cannot be saved for the next check: ";
    return [{ ...problemFrom(error, "not-kept", REGISTRY, before), code: "not-kept" }];
  }
}
