from libs.common import migrate
from services.segments.tables import metadata

migrate.run(metadata)
