/** The X.509 library, loaded after what it needs. */
import './reflect-metadata.ts'

export * from '@peculiar/x509'
