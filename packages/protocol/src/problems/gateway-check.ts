import type { ProblemKind } from '../problem.ts'

/** What the check of a gateway can find between a device and its site. */
export const gatewayCheckProblems = {
  GATEWAY_NAME_UNKNOWN: {
    status: 502,
    retry: 'later',
    title: 'The name of the gateway leads nowhere',
    remedy: 'Mend the record in the DNS that devices use, or the address: `sluice gateways set <gateway> --url …`.',
  },
  GATEWAY_PORT_CLOSED: {
    status: 502,
    retry: 'later',
    title: 'Nobody answers at the port of the gateway',
    remedy: 'Start the gateway, and let its port through every firewall between.',
  },
  PROXY_REFUSED: {
    status: 502,
    retry: 'later',
    title: 'The HTTP proxy does not let the connection through',
    remedy: 'Give name and password, or have the proxy allow CONNECT to the host and port of the gateway.',
  },
  TLS_REFUSED: {
    status: 502,
    retry: 'later',
    title: 'TLS 1.2 or 1.3 is not spoken at the address of the gateway',
    remedy: 'Something else listens there, or a firewall cuts TLS: let the port through unchanged.',
  },
  TLS_OUTDATED: {
    status: 502,
    retry: 'never',
    title: 'TLS 1.0 or 1.1 is accepted at the address of the gateway',
    remedy: 'A gateway never does that: something before it ends TLS. Let the port through unchanged.',
  },
  GATEWAY_CERTIFICATE_UNTRUSTED: {
    status: 502,
    retry: 'never',
    title: 'The certificate of the gateway is of an authority that devices do not trust',
    remedy:
      'If the detail names a proxy or a firewall, let it pass TLS to the gateway unchanged. Otherwise join the gateway anew (`sluice gateways code`), or give devices the authority (`gatewayAuthorities`).',
  },
  GATEWAY_CERTIFICATE_WRONG_NAME: {
    status: 502,
    retry: 'never',
    title: 'The certificate of the gateway is for another name',
    remedy: 'Set the address that devices use (`sluice gateways set <gateway> --url …`), then join the gateway anew.',
  },
  GATEWAY_CERTIFICATE_EXPIRED: {
    status: 502,
    retry: 'never',
    title: 'The certificate of the gateway is not valid at this time',
    remedy:
      'A linked gateway renews its own by itself: look at the link, or join it anew (`sluice gateways code`). One from files or by ACME: its log says why it was not renewed.',
  },
  GATEWAY_CERTIFICATE_ENDS_SOON: {
    status: 502,
    retry: 'never',
    title: 'The certificate of the gateway ends soon',
    remedy: 'Look why it was not renewed: the link (`sluice gateways status`), or the log of the gateway.',
  },
  NOT_A_GATEWAY: {
    status: 502,
    retry: 'later',
    title: 'What answers at the address is no gateway',
    remedy: 'Compare address and port with `sluice gateways list`; a page of a proxy or of a captive portal is none.',
  },
  GATEWAY_REVEALS: {
    status: 502,
    retry: 'never',
    title: 'Somebody without a certificate is told more than that it needs one',
    remedy: 'A gateway never does that: something before it answers. Let the port through unchanged.',
  },
  OUTBOUND_THRESHOLD_EXCEEDED: {
    status: 503,
    retry: 'later',
    title: 'The gateway has sent more in 14 days than its threshold warns of',
    remedy: 'Find out what is fetched so much, or raise it: `sluice gateways thresholds <gateway> --outbound …`.',
  },
  CLOCK_WRONG: {
    status: 502,
    retry: 'never',
    title: 'The clocks of this computer and of the gateway differ too much',
    remedy: 'Have both set by NTP. Certificates, signed addresses and policy depend on the time.',
  },
  CONNECTION_CUT: {
    status: 502,
    retry: 'later',
    title: 'A quiet connection to the gateway is cut',
    remedy:
      'Raise the idle time-out of the firewall, proxy or load balancer between to two minutes or more. Until then devices hear of news at their next poll.',
  },
} as const satisfies Record<string, ProblemKind>
