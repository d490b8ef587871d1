import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { display } from "../../cli/display.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { hostText } from "../../system/host-files.ts";
import { isAccepted, keyFiles } from "../../system/sshd/authorized-keys.ts";
import {
  CONFIGURATION,
  firstOf,
  isOn,
  isSet,
  listOf,
  type SshdSettings,
} from "../../system/sshd/settings.ts";
import { strictFinding } from "../../system/sshd/strict-modes.ts";
import { readAs } from "../readable.ts";
import { commentOut } from "../steps.ts";
import type { Connection } from "./connection.ts";
import { readAdvice } from "./key-remedies.ts";
import { listedKey } from "./revoked-keys.ts";

const CERTIFICATE = /-cert-v\d\d@openssh\.com$/;

/** The reason why sshd accepts no certificate, with what to do. */
interface Obstacle {
  why: ByteString;
  advice: Advice;
}

/** The reason why sshd accepts no certificate that a key of this type signed; undefined if it may accept one. Pure. */
export function signatureObstacle(settings: SshdSettings, type: ByteString): Obstacle | undefined {
  const accepted = listOf(settings, "pubkeyacceptedalgorithms");
  if (accepted.length > 0 && !accepted.some((one) => CERTIFICATE.test(one)))
    return {
      why: "PubkeyAcceptedAlgorithms has no type of certificates",
      advice: inWords(
        `add the type of the user's certificates to PubkeyAcceptedAlgorithms in ${CONFIGURATION}`,
      ),
    };
  if (isAccepted(type, listOf(settings, "casignaturealgorithms"))) return undefined;
  const name = type === "ssh-rsa" ? "rsa-sha2-512" : type;
  return {
    why: `CASignatureAlgorithms has no algorithm for ${type}, the type of the certification authority`,
    advice: inWords(`add ${name} to CASignatureAlgorithms in ${CONFIGURATION}`),
  };
}

/** The reason why the certification authorities in TrustedUserCAKeys let nobody in. */
function authorityObstacle(settings: SshdSettings, revoked: ReadonlySet<ByteString>): Obstacle | undefined {
  const file = firstOf(settings, "trustedusercakeys");
  const { text, isLarge } = readAs(undefined, file);
  if (isLarge) return undefined;
  const put = inWords(`put the public key of the certification authority into ${file}`);
  if (text === undefined) return { why: `it cannot read ${file} (TrustedUserCAKeys)`, advice: put };
  const found: Obstacle[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const key = listedKey(line);
    if (key === undefined) {
      const why = `line ${index + 1} of ${file} (TrustedUserCAKeys) is not a public key, and ends what sshd reads`;
      found.push({ why, advice: commentOut(file, index + 1) });
      break;
    }
    if (key === "") continue;
    const obstacle = revoked.has(key)
      ? { why: `RevokedKeys revokes the key in line ${index + 1} of ${file}`, advice: put }
      : signatureObstacle(settings, key.slice(0, key.indexOf(" ")));
    if (obstacle === undefined) return undefined;
    found.push(obstacle);
  }
  return found[0] ?? { why: `${file} (TrustedUserCAKeys) has no public key`, advice: put };
}

/** The reason why AuthorizedPrincipalsFile, which is read with the user's rights, gives the user no principal. */
function principalsObstacle({ settings, account, who }: Connection): Obstacle | undefined {
  if (isSet(settings, "authorizedprincipalscommand") || !isSet(settings, "authorizedprincipalsfile"))
    return undefined;
  const [file = ""] = keyFiles([firstOf(settings, "authorizedprincipalsfile")], account);
  const shown = `${display(file)} (AuthorizedPrincipalsFile)`;
  const write = inWords(`write the principals of the user into ${display(file)}, one a line`);
  try {
    const text = withRightsOf(who, () => hostText(file));
    if (text === undefined) return { why: `${shown} does not exist`, advice: write };
    const isStrict = isOn(settings, "strictmodes");
    const finding = isStrict ? strictFinding(file, account, "AuthorizedPrincipalsFile") : undefined;
    if (finding !== undefined)
      return { why: `it does not use ${shown} (StrictModes): ${finding.message}`, advice: finding.advice };
    const names = text.split("\n").some((line) => /^[ \t]*[^\t-\r #]/.test(line));
    return names ? undefined : { why: `${shown} names no principal`, advice: write };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === "EFBIG") return undefined;
    const advice = onlyRootExchanges(file)
      ? (`chmod a+r ${shellWord(file)}` as const)
      : readAdvice(file, account);
    return { why: `the user cannot read ${shown}: ${error.reason}`, advice };
  }
}

/** The reason why sshd accepts no certificate by TrustedUserCAKeys, whatever it says; undefined if it may. */
export function certificateObstacle(
  connection: Connection,
  revoked: ReadonlySet<ByteString>,
): Obstacle | undefined {
  const found = authorityObstacle(connection.settings, revoked) ?? principalsObstacle(connection);
  return found === undefined ? undefined : { ...found, why: `sshd accepts no certificate: ${found.why}` };
}
