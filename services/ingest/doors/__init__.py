"""Compatible front doors: each turns what one family of SDKs really sends into `incoming.Parsed`."""
