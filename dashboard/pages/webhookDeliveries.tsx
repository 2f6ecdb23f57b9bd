// What was sent to a webhook, and what became of it.

import type { Delivery, DeliveryStatus } from "../../src/contract/entities.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import { Ago, Left } from "../time.tsx";

const tones: Record<DeliveryStatus, Tone> = { delivered: "good", pending: "idle", failed: "bad" };

export function Deliveries({ deliveries }: { deliveries: Delivery[] }) {
  return (
    <table class="inner" aria-label="Deliveries">
      <thead>
        <tr>
          {["When", "Event", "Target", "Status", "Attempts", "Answer", "Took"].map((head) => (
            <th scope="col" key={head}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {deliveries.map((each) => (
          <tr key={each.id} data-delivery={each.id}>
            <td>
              <Ago at={each.createdAt} />
            </td>
            <td>{each.event}</td>
            <td>{each.targetId}</td>
            <td>
              <Badge tone={tones[each.status]}>{each.status}</Badge>
              {each.nextAttemptAt !== null && each.attempts > 0 && (
                <>
                  {" "}
                  next: <Left until={each.nextAttemptAt} />
                </>
              )}
            </td>
            <td class="number">{each.attempts}</td>
            <td>
              {each.httpStatus} {each.error ?? ""}
              {each.response && (
                <details>
                  <summary>what it said</summary>
                  <pre tabIndex={0}>{each.response}</pre>
                </details>
              )}
            </td>
            <td class="number">{each.durationMs === null ? "–" : `${each.durationMs} ms`}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
