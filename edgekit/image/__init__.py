"""From bytes to upright pixels. The only room that decodes images."""
