"""From encoded bytes to upright pixels. No other package of edgekit decodes images."""
