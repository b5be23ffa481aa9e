"""Programs that run in containers, delivered by ConfigMap and never imported: their libraries are in the images."""
