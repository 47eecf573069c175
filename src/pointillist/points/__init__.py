"""Points as data: tables, label files, simulation and checks. No tensor and no image is opened here."""
