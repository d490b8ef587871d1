import type { ByteString } from "../../../ffi/bytes.ts";
import { jsonText } from "../../cli/display.ts";
import { VERSION } from "../../cli/version.ts";
import type { HostReport } from "../check.ts";
import { type CheckFinding, type CheckProblem, factsOf, RULES, type Rule } from "../rules.ts";

/** A path as a file URI (RFC 8089): bytes other than unreserved characters and slashes are escaped (RFC 3986). */
export function fileUri(path: ByteString): string {
  const escaped = path.replace(
    /[^A-Za-z0-9\-._~/]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
  return `file://${escaped}`;
}

const location = (path: ByteString) => ({ physicalLocation: { artifactLocation: { uri: fileUri(path) } } });

const RULE_IDS = Object.keys(RULES) as Rule[];

function result(finding: CheckFinding) {
  const { rule, path, message, reason, remedy, otherwise } = finding;
  const more = [reason, remedy, otherwise].filter((one) => one !== undefined);
  const text = more.length === 0 ? message : `${message} (${more.join("; ")})`;
  return {
    ruleId: rule,
    ruleIndex: RULE_IDS.indexOf(rule),
    level: factsOf(finding).level,
    message: { text: jsonText(text) },
    locations: [location(path)],
    // Identifies the same finding in several runs.
    partialFingerprints: { "rulePath/v1": fingerprint(rule, path) },
  };
}

function fingerprint(rule: Rule, path: ByteString): string {
  return new Bun.CryptoHasher("sha256").update(Buffer.from(`${rule}\0${path}`, "latin1")).digest("hex");
}

const notification = ({ code, path, message }: CheckProblem) => ({
  descriptor: { id: code },
  level: "error",
  message: { text: jsonText(message) },
  locations: [location(path)],
});

/** What a jail or the host adds to a log: findings that are not fixed, and problems. */
export type SarifPart = ReturnType<typeof sarifPart>;

/** See SarifPart. */
export function sarifPart({
  findings,
  problems,
  fixed,
}: Pick<HostReport, "findings" | "problems" | "fixed">) {
  const open = findings.filter((finding) => !fixed.has(finding));
  return { results: open.map(result), notifications: problems.map(notification) };
}

/** A log as SARIF 2.1.0 (Static Analysis Results Interchange Format, OASIS). */
export function sarifLog(parts: readonly SarifPart[], exitStatus: number) {
  const notifications = parts.flatMap((part) => part.notifications);
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "jk_check",
            version: VERSION,
            semanticVersion: VERSION,
            rules: RULE_IDS.map((id) => ({
              id,
              shortDescription: { text: RULES[id].summary },
              defaultConfiguration: { level: RULES[id].level },
            })),
          },
        },
        invocations: [
          {
            executionSuccessful: notifications.length === 0,
            exitCode: exitStatus,
            toolExecutionNotifications: notifications,
          },
        ],
        results: parts.flatMap((part) => part.results),
      },
    ],
  };
}
