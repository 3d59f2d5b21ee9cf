/**
 * What the pages may do: run and load their own files and talk to their own origin, nothing else.
 * The built pages carry it themselves; what serves them sends it too, with `frame-ancestors`, which
 * only counts in a header.
 *
 * Styles: Griffel (the CSS-in-JS of Fluent UI) makes empty `<style>` elements and fills them by
 * `insertRule`, which a browser allows when an *empty* inline style is allowed. The hash below is the
 * SHA-256 of nothing: it lets exactly those elements in, while `'unsafe-inline'` would let in every
 * style that an injection could write. `'self'` alone leaves the pages without styles.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')
