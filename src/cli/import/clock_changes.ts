/**
 * Counts imported times that a change of clocks (such as daylight saving time) makes unclear: local times that occurred
 * twice, and local times that never occurred.
 *
 * @module
 */
import { counted } from "../../shown.ts";
import { localTimeOf } from "../when.ts";

/** A counter of local times that occurred twice or never, because clocks were changed. */
export class ClockChanges {
  #repeated = 0;
  #skipped = 0;

  /**
   * Number of local times that occurred twice, because clocks were set back. The import used the first of the two
   * instants.
   */
  get repeated(): number {
    return this.#repeated;
  }

  /**
   * Number of local times that never occurred, because clocks were set forward. The import moved each of these times
   * forward by the same amount as the clocks.
   */
  get skipped(): number {
    return this.#skipped;
  }

  /**
   * Counts the time in `text` if it occurred twice or never in the time zone. Ignores a time with a UTC offset, because
   * such a time is always clear.
   *
   * @param instant The instant to which the caller has converted the time
   */
  note(text: string, instant: Temporal.Instant, timeZone: string): void {
    const local = localTimeOf(text);
    if (local === null) return;
    if (!instant.toZonedDateTimeISO(timeZone).toPlainDateTime().equals(local)) this.#skipped++;
    else if (
      !local.toZonedDateTime(timeZone, { disambiguation: "later" }).toInstant().equals(instant)
    ) {
      this.#repeated++;
    }
  }

  /**
   * Returns the messages for the user: one about the times that occurred twice, and one about the times that never
   * occurred. A message is left out if there are no such times.
   */
  messages(timeZone: string): string[] {
    return [
      ...this.#repeated === 0 ? [] : [
        `${
          counted(this.#repeated, "time")
        } without a UTC offset occurred twice in ${timeZone}, because clocks were set ` +
        "back; the first of the two instants was used",
      ],
      ...this.#skipped === 0 ? [] : [
        `${
          counted(this.#skipped, "time")
        } without a UTC offset never occurred in ${timeZone}, because clocks were set ` +
        "forward; the time was moved forward by the same amount",
      ],
    ];
  }
}
