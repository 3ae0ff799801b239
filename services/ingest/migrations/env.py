from libs.common import migrate
from services.ingest.tables import metadata

migrate.run(metadata)
