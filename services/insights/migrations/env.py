from libs.common import migrate
from services.insights.tables import metadata

migrate.run(metadata)
